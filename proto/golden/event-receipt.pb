
evt-receiptsalon-7	*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne Dupont¢
amount	42,00 â‚¬Útx-1