
evt-feedback_alertsalon-7 *Â¤ØÀ©Ó:2¤•Øzloc-1º
	sentimentnegativeº
facet	wait time