
evt-fullsalon-7 *Â¤ØÀ©Ó:2¤•Ø:…—ØBbk-88231/reminderHRfr-FRZa
+33612345678jeanne.dupont@example.orgJeanne Dupont (2Europe/Paris:Europe/LondonBfrJFRbI
bk-88231ÿÿÿÿÿÿÿÿÿ…—Ø"ÿÿÿÿÿÿÿÿÿÀ®Ü*
cut…—Ø*
colourjcutpzloc-1‚Europe/ParisŠ
ownerst-1šspring¢
nameJeanne¢
quote"da\b
	Ã©ª
st<b>h</b>² 
https://a.example/1	image/png²
https://a.example/2º
	sentimentunknownÂcÊrÒvÚxâ700-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01