

evt-couponsalon-7*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne DupontpŠ
ownerst-1ª!10 % sur votre prochaine visite