
evt-one_time_codesalon-7 *Â¤ØÀ©Ó:2¤•ØBlogin-77Z8
+33612345678jeanne.dupont@example.orgJeanne Dupont¢
code493021