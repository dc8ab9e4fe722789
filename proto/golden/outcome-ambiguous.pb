
evt-reminderqL1ZVbq8jX7o2m3kfj2k3gsalon-7 (0:8mCz0Zl4T5r1bqf0a3oH0w@J	no_answerZtwiliob	twilio-frpxŠEurope/Parisš¤•Ø¢¤•Øª‘¤•Ø€­â²œ¤•Ø€„¯_¸ÀÊdefault(plan)Ò
G1Ò
G2Ò
C6Ò
O1Ú
carillon.eventsÀÄâworker-1