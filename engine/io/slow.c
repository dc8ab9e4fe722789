#include "io/slow.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static enum err err_of(CURLcode code)
{
    if (code == CURLE_OK)
        return ERR_OK;
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        return ERR_RESOLVE;
    if (code == CURLE_COULDNT_CONNECT)
        return ERR_CONNECT;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_TIMEOUT;
    if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM)
        return ERR_TLS;
    return ERR_IO;
}

static bool set_options(CURL *curl, const char *url, const char *ca_file, uint32_t timeout_ms,
                        char *error)
{
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK && /* the worker uses none */
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
           (!ca_file || (curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                         curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

enum err slow_connect(const char *url, const char *ca_file, uint32_t timeout_ms,
                      char why[SLOW_WHY_SIZE])
{
    char error[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    CURLcode code = CURLE_FAILED_INIT;
    if (curl && set_options(curl, url, ca_file, timeout_ms, error))
        code = curl_easy_perform(curl);
    snprintf(why, SLOW_WHY_SIZE, "%s", error[0] ? error : curl_easy_strerror(code));
    curl_easy_cleanup(curl);
    return err_of(code);
}
