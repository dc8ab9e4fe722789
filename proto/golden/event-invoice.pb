
evt-invoicesalon-7
*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne DupontŠ
ownerst-1¢
amount	42,00 â‚¬¢
linkhttps://pay.example/i/1Útx-2