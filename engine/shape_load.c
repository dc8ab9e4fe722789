/* libcyaml fills the struct: its schema is made of the table. The only file that knows it. */
#include "shape_value.h"

#include <cyaml/cyaml.h>
#include <stdlib.h>
#include <string.h>

struct schema {
    cyaml_schema_field_t *fields[64]; /* to free */
    cyaml_schema_value_t values[64];  /* of list entries */
    uint32_t field_count, value_count;
};

static const cyaml_schema_field_t *schema_of(struct schema *schema, const struct shape *shape);

static const cyaml_schema_value_t *entry_schema(struct schema *schema, const struct shape_row *row)
{
    CHECK(schema->value_count < countof(schema->values));
    cyaml_schema_value_t *value = &schema->values[schema->value_count++];
    if (row->kind == SHAPE_TEXTS)
        *value = (cyaml_schema_value_t){
            CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};
    else
        *value = (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                        .data_size = (uint32_t)row->inner->size,
                                        .mapping.fields = schema_of(schema, row->inner)};
    return value;
}

static cyaml_schema_value_t value_schema(struct schema *schema, const struct shape_row *row)
{
    cyaml_schema_value_t v = {.flags = CYAML_FLAG_OPTIONAL, .data_size = sizeof(uint64_t)};
    switch (row->kind) {
    case SHAPE_NUM:
        v.type = CYAML_UINT;
        break;
    case SHAPE_REAL:
        v.type = CYAML_FLOAT;
        break;
    case SHAPE_FLAG:
        v.type = CYAML_BOOL;
        v.data_size = sizeof(bool);
        break;
    case SHAPE_GROUP:
        v.type = CYAML_MAPPING;
        v.data_size = (uint32_t)row->inner->size;
        v.mapping.fields = schema_of(schema, row->inner);
        break;
    case SHAPE_TEXTS:
    case SHAPE_LIST:
        v.type = CYAML_SEQUENCE;
        v.flags |= CYAML_FLAG_POINTER;
        v.sequence.entry = entry_schema(schema, row);
        v.data_size = v.sequence.entry->type == CYAML_STRING ? (uint32_t)sizeof(char *)
                                                             : v.sequence.entry->data_size;
        v.sequence.max = CYAML_UNLIMITED;
        break;
    case SHAPE_CHOICE: /* a word in the file, an index in the struct: not libcyaml's */
        v.type = CYAML_IGNORE;
        break;
    case SHAPE_TEXT:
    case SHAPE_SECRET:
        v.type = CYAML_STRING;
        v.flags |= CYAML_FLAG_POINTER;
        v.data_size = sizeof(char);
        v.string.max = CYAML_UNLIMITED;
        break;
    }
    return v;
}

static const cyaml_schema_field_t *schema_of(struct schema *schema, const struct shape *shape)
{
    CHECK(schema->field_count < countof(schema->fields));
    cyaml_schema_field_t *fields = calloc(shape->row_count * 2 + 1, sizeof(*fields));
    CHECK(fields != NULL);
    schema->fields[schema->field_count++] = fields;
    uint32_t n = 0;
    for (uint32_t i = 0; i < shape->row_count; i++) {
        const struct shape_row *row = &shape->rows[i];
        bool list = row->kind == SHAPE_TEXTS || row->kind == SHAPE_LIST;
        fields[n++] = (cyaml_schema_field_t){.key = row->name,
                                             .data_offset = (uint32_t)row->offset,
                                             .count_offset = (uint32_t)row->second,
                                             .count_size = list ? sizeof(uint32_t) : 0,
                                             .value = value_schema(schema, row)};
        if (row->kind != SHAPE_SECRET)
            continue;
        fields[n] = fields[n - 1];
        fields[n].key = row->file_key;
        fields[n++].data_offset = (uint32_t)row->second;
    }
    return fields;
}

static void schema_free(struct schema *schema)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        free(schema->fields[i]);
}

const char *shape_load(const struct shape *shape, const char *text, size_t size, void *out)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};
    struct schema schema = {0};
    const cyaml_schema_value_t top = {.type = CYAML_MAPPING,
                                      .flags = CYAML_FLAG_POINTER,
                                      .data_size = (uint32_t)shape->size,
                                      .mapping.fields = schema_of(&schema, shape)};
    cyaml_data_t *data = NULL;
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, size, &config, &top, &data, NULL);
    if (err == CYAML_OK && data) {
        memcpy(out, data, shape->size);
        free(data);
    }
    schema_free(&schema);
    return err == CYAML_OK ? NULL : cyaml_strerror(err);
}
