#include "io/kafka_mock.h"

#include "io/kafka_handle.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

struct kafka_mock {
    rd_kafka_t *rk; /* a handle that the cluster lives in */
    rd_kafka_mock_cluster_t *cluster;
    uint32_t brokers;
};

struct kafka_mock *kafka_mock_open(uint32_t brokers, char why[KAFKA_WHY_SIZE])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "log_level", "3", why, KAFKA_WHY_SIZE) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, KAFKA_WHY_SIZE);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    struct kafka_mock *mock = calloc(1, sizeof *mock);
    CHECK(mock);
    mock->rk = rk;
    mock->brokers = brokers;
    mock->cluster = rd_kafka_mock_cluster_new(rk, (int)brokers);
    if (mock->cluster)
        return mock;
    snprintf(why, KAFKA_WHY_SIZE, "the mock cluster does not start");
    rd_kafka_destroy(rk);
    free(mock);
    return NULL;
}

void kafka_mock_close(struct kafka_mock *mock)
{
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->rk);
    free(mock);
}

const char *kafka_mock_bootstrap(const struct kafka_mock *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

enum err kafka_mock_topic(struct kafka_mock *mock, const char *name, uint32_t partitions)
{
    return rd_kafka_mock_topic_create(mock->cluster, name, (int)partitions, 1) ? ERR_REFUSED
                                                                               : ERR_OK;
}

void kafka_mock_fail(struct kafka_mock *mock, enum kafka_mock_request request,
                     enum kafka_mock_error error, uint32_t count)
{
    static const int16_t keys[] = {
        [KAFKA_MOCK_PRODUCE] = 0,
        [KAFKA_MOCK_OFFSET_FETCH] = 9,
        [KAFKA_MOCK_OFFSET_COMMIT] = 8,
    };
    static const rd_kafka_resp_err_t errors[] = {
        [KAFKA_MOCK_LATER] = RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        [KAFKA_MOCK_OLD] = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        [KAFKA_MOCK_SIZE] = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        [KAFKA_MOCK_SEQUENCE] = RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    };
    rd_kafka_resp_err_t err = errors[error];
    if (request == KAFKA_MOCK_PRODUCE && error == KAFKA_MOCK_LATER)
        err = RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(mock->cluster, keys[request], 1, err);
}

void kafka_mock_down(struct kafka_mock *mock, bool down)
{
    for (int32_t id = 1; id <= (int32_t)mock->brokers; id++) {
        if (down)
            rd_kafka_mock_broker_set_down(mock->cluster, id);
        else
            rd_kafka_mock_broker_set_up(mock->cluster, id);
    }
}
