
evt-message_alertsalon-7 *Â¤ØÀ©Ó:2¤•ØÂ	cust-5531Òconv-9