
evt-remindersalon-7*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne Dupontb
bk-88231…—Ø"€ã›×Â	cust-5531