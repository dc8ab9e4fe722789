
evt-auto_replysalon-7*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne DupontÒconv-9