
evt-campaignsalon-7*Â¤ØÀ©Ó:2¤•Ø:ÇšØZ8
+33612345678jeanne.dupont@example.orgJeanne Dupontª*
NoÃ«lOuvert le 24<p>Ouvert le 24</p>