
evt-reminderqL1ZVbq8jX7o2m3kfj2k3gsalon-7 @jSM0123p€²‘¤•Ø€„¯_Ú
carillon.eventsÀÄâworker-2êcòrúv‚xŠb’lšowner¢
facetstaff¢
	sentimentnegative