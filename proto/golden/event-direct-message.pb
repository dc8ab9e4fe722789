
evt-direct_messagesalon-7*Â¤ØÀ©Ó:2¤•ØZ8
+33612345678jeanne.dupont@example.orgJeanne DupontŠ
ownerst-1ªÃ€ demain Ã  18 h ğŸ˜€²+
https://files.example/plan.png	image/pngÒconv-9