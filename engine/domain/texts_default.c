#include "domain/texts_default.h"

#include "base/base.h"

#define KIND(name) CARILLON__V1__KIND__KIND_##name

/* How an e-mail to a customer begins and ends. */
#define HELLO_EN "Hello[[ {{name}}]],\n\n"
#define HELLO_FR "Bonjour[[ {{name}}]],\n\n"
#define BYE_EN "\n\nKind regards[[,\n{{business}}]]"
#define BYE_FR "\n\nCordialement[[,\n{{business}}]]"

/* How an sms begins: with who writes. */
#define FROM_EN "[[{{business}}: ]]"
#define CHANGE_EN "[[ Change or cancel: {{manage_url}}]]"
#define CHANGE_FR "[[ Modifier ou annuler : {{manage_url}}]]"
#define CHANGE_EMAIL_EN "[[\n\nTo change or cancel it: {{manage_url}}]]"
#define CHANGE_EMAIL_FR "[[\n\nPour le modifier ou l'annuler : {{manage_url}}]]"

const char *const texts_opt_out_hint[TEXTS_LANGUAGE_COUNT] = {
    [TEXTS_EN] = "Reply STOP to opt out.",
    [TEXTS_FR] = "Répondez STOP pour vous désabonner.",
};

static const struct default_text texts[][TEXTS_LANGUAGE_COUNT] = {
    [KIND(BOOKING_PENDING)] =
        {[TEXTS_EN] = {.sms = FROM_EN "We have your request for an appointment"
                                      "[[ on {{when}}]] and will answer soon." CHANGE_EN,
                       .subject = "We have your request[[: {{when}}]]",
                       .email = HELLO_EN "We have your request for an appointment"
                                         "[[ on {{when}}]]. We will confirm it as soon as "
                                         "we can." CHANGE_EMAIL_EN BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : votre|Votre]] demande de rendez-vous"
                              "[[ du {{when}}]] est enregistrée. Nous y répondrons "
                              "rapidement." CHANGE_FR,
                       .subject = "Votre demande de rendez-vous[[ : {{when}}]]",
                       .email = HELLO_FR
                       "Nous avons bien reçu votre demande de rendez-vous"
                       "[[ du {{when}}]]. Nous la confirmerons dès que "
                       "possible.[[\n\nPour la modifier ou l'annuler : {{manage_url}}]]" BYE_FR}},
    [KIND(BOOKING_CONFIRMED)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Your appointment[[ on {{when}}]] is "
                                      "confirmed." CHANGE_EN,
                       .subject = "Appointment confirmed[[: {{when}}]]",
                       .email = HELLO_EN "Your appointment[[ with {{business}}]]"
                                         "[[ on {{when}}]] is confirmed. We look forward "
                                         "to seeing you." CHANGE_EMAIL_EN BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : votre|Votre]] rendez-vous[[ du {{when}}]] "
                              "est confirmé." CHANGE_FR,
                       .subject = "Rendez-vous confirmé[[ : {{when}}]]",
                       .email = HELLO_FR "Votre rendez-vous[[ chez {{business}}]]"
                                         "[[, {{when}},]] est confirmé. À "
                                         "bientôt !" CHANGE_EMAIL_FR BYE_FR}},
    [KIND(BOOKING_DECLINED)] =
        {[TEXTS_EN] = {.sms = FROM_EN "We are sorry, we cannot take your appointment"
                                      "[[ on {{when}}]].[[ Choose another time: "
                                      "{{manage_url}}]]",
                       .subject = "About your request for an appointment",
                       .email = HELLO_EN "We are sorry: we cannot take your appointment"
                                         "[[ on {{when}}]].[[\n\nTo choose another time: "
                                         "{{manage_url}}]]" BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : nous|Nous]] ne pouvons pas accepter votre "
                              "rendez-vous[[ du {{when}}]], avec nos excuses.[[ Autre "
                              "horaire : {{manage_url}}]]",
                       .subject = "Votre demande de rendez-vous",
                       .email = HELLO_FR "Nous sommes désolés : nous ne pouvons pas "
                                         "accepter votre rendez-vous[[ du {{when}}]].[[\n\n"
                                         "Pour choisir un autre horaire : "
                                         "{{manage_url}}]]" BYE_FR}},
    [KIND(BOOKING_CANCELLED)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Your appointment[[ on {{when}}]] is cancelled.[[ "
                                      "Book again: {{manage_url}}]]",
                       .subject = "Appointment cancelled[[: {{when}}]]",
                       .email = HELLO_EN "Your appointment[[ with {{business}}]]"
                                         "[[ on {{when}}]] is cancelled.[[\n\nTo book "
                                         "another one: {{manage_url}}]]" BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : votre|Votre]] rendez-vous[[ du {{when}}]] "
                              "est annulé.[[ Reprendre rendez-vous : {{manage_url}}]]",
                       .subject = "Rendez-vous annulé[[ : {{when}}]]",
                       .email = HELLO_FR "Votre rendez-vous[[ chez {{business}}]]"
                                         "[[, {{when}},]] est annulé.[[\n\nPour en prendre "
                                         "un autre : {{manage_url}}]]" BYE_FR}},
    [KIND(BOOKING_RESCHEDULED)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Your appointment has moved[[ to {{when}}]]." CHANGE_EN,
                       .subject = "Appointment moved[[ to {{when}}]]",
                       .email = HELLO_EN "Your appointment[[ with {{business}}]] has moved"
                                         "[[ to {{when}}]]." CHANGE_EMAIL_EN BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : votre|Votre]] rendez-vous est déplacé"
                              "[[ au {{when}}]]." CHANGE_FR,
                       .subject = "Rendez-vous déplacé[[ au {{when}}]]",
                       .email = HELLO_FR "Votre rendez-vous[[ chez {{business}}]] est déplacé"
                                         "[[ au {{when}}]]." CHANGE_EMAIL_FR BYE_FR}},
    [KIND(CONFIRMATION_REQUEST)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Please confirm your appointment[[ on {{when}}]]: "
                                      "reply YES." CHANGE_EN,
                       .subject = "Please confirm your appointment[[: {{when}}]]",
                       .email = HELLO_EN "Please confirm your appointment"
                                         "[[ with {{business}}]][[ on {{when}}]][[: "
                                         "{{manage_url}}| by answering this e-mail.]]" BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : merci|Merci]] de confirmer votre rendez-vous"
                              "[[ du {{when}}]] : répondez OUI." CHANGE_FR,
                       .subject = "Merci de confirmer votre rendez-vous[[ : {{when}}]]",
                       .email = HELLO_FR "Merci de confirmer votre rendez-vous"
                                         "[[ chez {{business}}]][[, {{when}}]][[ : "
                                         "{{manage_url}}| en répondant à cet "
                                         "e-mail.]]" BYE_FR}},
    [KIND(REMINDER)] = {[TEXTS_EN] = {.sms = FROM_EN
                                      "A reminder of your appointment[[ on {{when}}]]." CHANGE_EN,
                                      .subject = "Your appointment[[: {{when}}]]",
                                      .email = HELLO_EN
                                      "This is a reminder of your appointment"
                                      "[[ with {{business}}]][[ on {{when}}]]. We look "
                                      "forward to seeing you." CHANGE_EMAIL_EN BYE_EN},
                        [TEXTS_FR] = {.sms = "[[{{business}} : rappel|Rappel]] de votre rendez-vous"
                                             "[[ du {{when}}]]." CHANGE_FR,
                                      .subject = "Rappel de votre rendez-vous[[ : {{when}}]]",
                                      .email = HELLO_FR "Nous vous rappelons votre rendez-vous"
                                                        "[[ chez {{business}}]][[ : {{when}}]]. À "
                                                        "bientôt !" CHANGE_EMAIL_FR BYE_FR}},
    [KIND(
        RECEIPT)] = {[TEXTS_EN] = {.sms = FROM_EN "Thank you for your payment.[[ Reference: "
                                                  "{{transaction}}]]",
                                   .subject = "Your receipt[[ from {{business}}]]",
                                   .email = HELLO_EN "Thank you for your payment.[[\n\nReference: "
                                                     "{{transaction}}]]" BYE_EN},
                     [TEXTS_FR] = {.sms = "[[{{business}} : merci|Merci]] pour votre paiement.[[ "
                                          "Référence : {{transaction}}]]",
                                   .subject = "Votre reçu[[ de {{business}}]]",
                                   .email = HELLO_FR "Merci pour votre paiement.[[\n\nRéférence : "
                                                     "{{transaction}}]]" BYE_FR}},
    [KIND(INVOICE)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Your invoice is ready.[[ Pay online: {{pay_url}}]]",
                       .subject = "Your invoice[[ from {{business}}]]",
                       .email = HELLO_EN "Your invoice is ready.[[\n\nTo pay online: "
                                         "{{pay_url}}]]" BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : votre|Votre]] facture est disponible.[[ "
                              "Payer en ligne : {{pay_url}}]]",
                       .subject = "Votre facture[[ de {{business}}]]",
                       .email = HELLO_FR "Votre facture est disponible.[[\n\nPour payer en "
                                         "ligne : {{pay_url}}]]" BYE_FR}},
    [KIND(
        ESTIMATE)] = {[TEXTS_EN] = {.sms = FROM_EN
                                    "Your estimate is ready.[[ See it: {{manage_url}}]]",
                                    .subject = "Your estimate[[ from {{business}}]]",
                                    .email = HELLO_EN "Your estimate is ready.[[\n\nTo see it: "
                                                      "{{manage_url}}]]" BYE_EN},
                      [TEXTS_FR] = {.sms =
                                        "[[{{business}} : votre|Votre]] devis est disponible.[[ Le "
                                        "consulter : {{manage_url}}]]",
                                    .subject = "Votre devis[[ de {{business}}]]",
                                    .email = HELLO_FR "Votre devis est disponible.[[\n\nPour le "
                                                      "consulter : {{manage_url}}]]" BYE_FR}},
    [KIND(PAYMENT_REQUEST)] =
        {[TEXTS_EN] = {.sms = FROM_EN "A payment is due.[[ Pay online: {{pay_url}}]]",
                       .subject = "Payment request[[ from {{business}}]]",
                       .email = HELLO_EN "A payment is due.[[\n\nTo pay online: "
                                         "{{pay_url}}]]" BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : un|Un]] paiement vous est demandé.[[ Payer "
                              "en ligne : {{pay_url}}]]",
                       .subject = "Demande de paiement[[ de {{business}}]]",
                       .email = HELLO_FR "Un paiement vous est demandé.[[\n\nPour payer en "
                                         "ligne : {{pay_url}}]]" BYE_FR}},
    [KIND(DIRECT_MESSAGE)] =
        {[TEXTS_EN] = {.sms = FROM_EN "You have a new message.",
                       .subject = "A message[[ from {{business}}]]",
                       .email = HELLO_EN "You have a new message." BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : vous|Vous]] avez un nouveau message.",
                       .subject = "Un message[[ de {{business}}]]",
                       .email = HELLO_FR "Vous avez un nouveau message." BYE_FR}},
    [KIND(AUTO_REPLY)] =
        {
            [TEXTS_EN] = {.sms = FROM_EN "Thank you for your message. We will answer as soon "
                                         "as we can.",
                          .subject = "We have your message",
                          .email = HELLO_EN "Thank you for your message. We will answer as "
                                            "soon as we can." BYE_EN},
            [TEXTS_FR] = {.sms = "[[{{business}} : merci|Merci]] de votre message. Nous y "
                                 "répondrons dès que possible.",
                          .subject = "Nous avons bien reçu votre message",
                          .email = HELLO_FR "Merci de votre message. Nous y répondrons dès que "
                                            "possible." BYE_FR}},
    [KIND(CONSENT_REQUEST)] =
        {[TEXTS_EN] = {.sms = FROM_EN "May we write to you at this number? Reply YES to "
                                      "agree, STOP to refuse.",
                       .subject = "May we write to you?",
                       .email = HELLO_EN "May we write to you at this address? Answer YES "
                                         "to agree." BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : pouvons|Pouvons]]-nous vous écrire à ce "
                              "numéro ? Répondez OUI pour accepter, STOP pour refuser.",
                       .subject = "Pouvons-nous vous écrire ?",
                       .email = HELLO_FR "Pouvons-nous vous écrire à cette adresse ? "
                                         "Répondez OUI pour accepter." BYE_FR}},
    [KIND(MARKETING_CONSENT_REQUEST)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Would you also like to receive our offers? Reply YES "
                                      "to agree, STOP to refuse.",
                       .subject = "Would you like to receive our offers?",
                       .email = HELLO_EN "Would you also like to receive our offers? Answer "
                                         "YES to agree." BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : souhaitez|Souhaitez]]-vous aussi recevoir "
                              "nos offres ? Répondez OUI pour accepter, STOP pour refuser.",
                       .subject = "Souhaitez-vous recevoir nos offres ?",
                       .email = HELLO_FR "Souhaitez-vous aussi recevoir nos offres ? "
                                         "Répondez OUI pour accepter." BYE_FR}},
    [KIND(
        COUPON)] = {[TEXTS_EN] = {.sms = FROM_EN "An offer is waiting for you.[[ Code: {{code}}]]",
                                  .subject = "An offer for you[[ from {{business}}]]",
                                  .email = HELLO_EN "An offer is waiting for you.[[\n\nYour code: "
                                                    "{{code}}]]" BYE_EN},
                    [TEXTS_FR] = {.sms = "[[{{business}} : une|Une]] offre vous attend.[[ Code : "
                                         "{{code}}]]",
                                  .subject = "Une offre pour vous[[ de {{business}}]]",
                                  .email = HELLO_FR "Une offre vous attend.[[\n\nVotre code : "
                                                    "{{code}}]]" BYE_FR}},
    [KIND(CAMPAIGN)] = {[TEXTS_EN] = {.sms = FROM_EN "We have news for you.",
                                      .subject = "News[[ from {{business}}]]",
                                      .email = HELLO_EN "We have news for you." BYE_EN},
                        [TEXTS_FR] = {.sms = "[[{{business}} : du|Du]] nouveau pour vous.",
                                      .subject = "Du nouveau[[ chez {{business}}]]",
                                      .email = HELLO_FR "Nous avons du nouveau pour vous." BYE_FR}},
    [KIND(FEEDBACK_REPLY)] =
        {[TEXTS_EN] = {.sms = FROM_EN "Thank you for your feedback. We have answered you.",
                       .subject = "About your feedback",
                       .email = HELLO_EN "Thank you for your feedback." BYE_EN},
         [TEXTS_FR] = {.sms = "[[{{business}} : merci|Merci]] pour votre avis. Nous vous "
                              "avons répondu.",
                       .subject = "À propos de votre avis",
                       .email = HELLO_FR "Merci pour votre avis." BYE_FR}},
    [KIND(MESSAGE_ALERT)] =
        {[TEXTS_EN] = {.subject = "New message from a customer",
                       .email = "Hello,\n\nA customer has written to you.[[\n\nCustomer: "
                                "{{reference}}]]",
                       .title = "New message",
                       .push = "A customer has written to you."},
         [TEXTS_FR] = {.subject = "Nouveau message d'un client",
                       .email = "Bonjour,\n\nUn client vous a écrit.[[\n\nClient : "
                                "{{reference}}]]",
                       .title = "Nouveau message",
                       .push = "Un client vous a écrit."}},
    [KIND(FEEDBACK_ALERT)] =
        {[TEXTS_EN] = {.subject = "New [[{{negative}}negative |]]feedback",
                       .email = "Hello,\n\nA customer has left [[{{negative}}negative "
                                "|]]feedback.[[\n\nAbout: {{facet}}]][[\n\nCustomer: "
                                "{{reference}}]]",
                       .title = "New [[{{negative}}negative |]]feedback",
                       .push = "A customer has left [[{{negative}}negative "
                               "|]]feedback[[: {{facet}}]]."},
         [TEXTS_FR] = {.subject = "Nouvel avis[[{{negative}} négatif]]",
                       .email = "Bonjour,\n\nUn client a laissé un avis[[{{negative}} "
                                "négatif]].[[\n\nSujet : {{facet}}]][[\n\nClient : "
                                "{{reference}}]]",
                       .title = "Nouvel avis[[{{negative}} négatif]]",
                       .push = "Un client a laissé un avis[[{{negative}} négatif]][[ : "
                               "{{facet}}]]."}},
    [KIND(ONE_TIME_CODE)] =
        {[TEXTS_EN] = {.sms = FROM_EN "{{code}} is your code. Do not share it.",
                       .subject = "Your code",
                       .email = "Hello,\n\nYour code is {{code}}. Do not share it with "
                                "anyone.[[\n\n{{business}}]]"},
         [TEXTS_FR] = {.sms = "[[{{business}} : votre|Votre]] code est {{code}}. Ne le "
                              "donnez à personne.",
                       .subject = "Votre code",
                       .email = "Bonjour,\n\nVotre code est {{code}}. Ne le donnez à "
                                "personne.[[\n\n{{business}}]]"}},
};

const struct default_text *texts_default_of(Carillon__V1__Kind text_kind,
                                            enum texts_language language)
{
    CHECK((size_t)text_kind < countof(texts));
    return &texts[text_kind][language];
}
