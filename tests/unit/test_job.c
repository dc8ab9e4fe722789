#include "stage/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct record some_record(struct bytes value)
{
    static const struct record_header headers[] = {{{"a", 1}, {"b", 1}}};
    return (struct record){
        .key = BYTES("k"), .value = value, .headers = headers, .header_count = 1};
}

static void a_job_cannot_be_sent_before_it_is_admitted(void **state)
{
    (void)state;
    struct jobs jobs = {.count = {[JOB_WAITING] = 1}, .waiting = {[WAIT_NONE] = 1}};
    struct job job = {.state = JOB_WAITING};
    expect_assert_failure(job_enter(&jobs, &job, JOB_SENDING));
}

static void an_event_keeps_its_record_and_goes_with_its_last_job(void **state)
{
    (void)state;
    struct jobs jobs;
    assert_true(jobs_open(&jobs, 4, 1));
    char value[] = "hello";
    struct record record = some_record(bytes_of(value));
    struct event *event = event_open(&jobs, &record);
    assert_non_null(event);
    value[0] = 'j';
    assert_string_equal(event->record.value.at, "hello");
    assert_true(bytes_equal(record_header_of(event->record.headers, 1, BYTES("A")), BYTES("b")));

    struct job *first = job_of_sibling(event->jobs.first);
    struct job *second = job_open(&jobs, event);
    assert_int_equal(jobs_in_hand(&jobs), 2);
    assert_int_equal(jobs.count[JOB_FRESH], 2);
    assert_false(job_close(&jobs, first));
    assert_true(job_close(&jobs, second));
    event_close(&jobs, event);
    assert_int_equal(jobs_in_hand(&jobs), 0);
    assert_int_equal(jobs.free_events.count, 4);
    jobs_close(&jobs);
}

static void large_records_are_bounded_apart(void **state)
{
    (void)state;
    struct jobs jobs;
    assert_true(jobs_open(&jobs, 4, 1));
    static char big[900 * 1024];
    memset(big, 'x', sizeof big);
    struct record record = some_record((struct bytes){big, sizeof big});
    struct event *event = event_open(&jobs, &record);
    assert_non_null(event);
    assert_true(event->large);
    assert_null(event_open(&jobs, &record));
    struct record little = some_record(BYTES("x"));
    struct event *other = event_open(&jobs, &little);
    assert_non_null(other);
    assert_false(event_enlarge(&jobs, other));
    assert_true(job_close(&jobs, job_of_sibling(event->jobs.first)));
    event_close(&jobs, event);
    assert_true(event_enlarge(&jobs, other));
    assert_string_equal(other->record.value.at, "x");
    jobs_close(&jobs);
}

static void a_record_larger_than_any_block_is_kept_without_what_is_large(void **state)
{
    (void)state;
    struct jobs jobs;
    assert_true(jobs_open(&jobs, 4, 1));
    static char huge[4 * 1024 * 1024];
    memset(huge, 'x', sizeof huge);
    struct record record = some_record((struct bytes){huge, sizeof huge});
    struct event *event = event_open(&jobs, &record);
    assert_non_null(event);
    assert_int_equal(job_of_sibling(event->jobs.first)->cut, CUT_VALUE);
    assert_null(event->record.value.at);
    assert_string_equal(event->record.key.at, "k");
    const struct record_header large = {BYTES("h"), {huge, sizeof huge}};
    record.headers = &large;
    event = event_open(&jobs, &record);
    assert_non_null(event);
    assert_int_equal(job_of_sibling(event->jobs.first)->cut, CUT_HEADERS);
    assert_int_equal(event->record.header_count, 0);
    assert_null(event->record.key.at);
    jobs_close(&jobs);
}

static void the_gauge_of_waiting_jobs_follows_the_reasons(void **state)
{
    (void)state;
    struct jobs jobs;
    assert_true(jobs_open(&jobs, 2, 1));
    struct record record = some_record(BYTES("x"));
    struct event *event = event_open(&jobs, &record);
    struct job *job = job_of_sibling(event->jobs.first);
    job_enter(&jobs, job, JOB_JUDGED);
    job_wait(&jobs, job, WAIT_DUE_LATER);
    job_wait(&jobs, job, WAIT_SLOT);
    assert_int_equal(jobs.waiting[WAIT_DUE_LATER], 0);
    assert_int_equal(jobs.waiting[WAIT_SLOT], 1);
    job_enter(&jobs, job, JOB_ADMITTING);
    assert_int_equal(jobs.waiting[WAIT_SLOT], 0);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_cannot_be_sent_before_it_is_admitted),
        cmocka_unit_test(an_event_keeps_its_record_and_goes_with_its_last_job),
        cmocka_unit_test(large_records_are_bounded_apart),
        cmocka_unit_test(a_record_larger_than_any_block_is_kept_without_what_is_large),
        cmocka_unit_test(the_gauge_of_waiting_jobs_follows_the_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
