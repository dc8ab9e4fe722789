
evt-reminderqL1ZVbq8jX7o2m3kfj2k3gsalon-7 (0:8mCz0Zl4T5r1bqf0a3oH0w@Ztwiliob	twilio-frjSM0123pŠEurope/Parisš¤•Ø¢¤•Øª‘¤•Ø€­â²‘¤•Ø€„¯_¸ÀÊdefaultÒ
G1Ò
G2Ò
C6Ò
O1Ú
carillon.eventsÀÄâworker-1ê	cust-5531Šbk-88231