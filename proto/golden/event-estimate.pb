
evt-estimatesalon-7*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne DupontŠ
ownerst-1¢
linkhttps://pay.example/e/1