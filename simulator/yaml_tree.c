/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/yaml_tree.h"

#include "base/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct yaml_tree {
    yaml_document_t document;
};

static int complain(struct yaml_fault *ret_why, int result, size_t line, const char *text)
{
    ret_why->line = (int)line + 1;
    snprintf(ret_why->text, sizeof ret_why->text, "%s", text ? text : "is not YAML");
    return result;
}

int yaml_tree_parse(struct yaml_tree **ret_tree, const char *text, size_t n_bytes,
                    struct yaml_fault *ret_why)
{
    if (n_bytes > YAML_TREE_MAX_BYTES)
        return complain(ret_why, MW_ERR_TOO_BIG, 0, "the file is longer than 1 MiB");
    yaml_parser_t parser;
    struct yaml_tree *tree = calloc(1, sizeof *tree);
    if (!tree || !yaml_parser_initialize(&parser)) {
        free(tree);
        return complain(ret_why, MW_ERR_NO_MEMORY, 0, "not enough memory");
    }
    int result = MW_OK;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
    if (!yaml_parser_load(&parser, &tree->document)) {
        result = complain(ret_why, MW_ERR_FORMAT, parser.problem_mark.line, parser.problem);
        free(tree);
    } else {
        *ret_tree = tree;
    }
    yaml_parser_delete(&parser);
    return result;
}

void yaml_tree_free(struct yaml_tree *tree)
{
    if (!tree)
        return;
    yaml_document_delete(&tree->document);
    free(tree);
}

static yaml_node_t *node_at(struct yaml_tree *tree, yaml_node node)
{
    return node > 0 ? yaml_document_get_node(&tree->document, node) : NULL;
}

yaml_node yaml_root(struct yaml_tree *tree)
{
    return yaml_document_get_root_node(&tree->document) ? 1 : 0;
}

enum yaml_kind yaml_kind(struct yaml_tree *tree, yaml_node node)
{
    const yaml_node_t *n = node_at(tree, node);
    if (!n)
        return YAML_NOTHING;
    switch (n->type) {
    case YAML_SCALAR_NODE: return YAML_TEXT;
    case YAML_SEQUENCE_NODE: return YAML_LIST;
    case YAML_MAPPING_NODE: return YAML_MAP;
    case YAML_NO_NODE: break;
    }
    return YAML_NOTHING;
}

int yaml_line(struct yaml_tree *tree, yaml_node node)
{
    const yaml_node_t *n = node_at(tree, node);
    return n ? (int)n->start_mark.line + 1 : 1;
}

const char *yaml_text(struct yaml_tree *tree, yaml_node node)
{
    const yaml_node_t *n = node_at(tree, node);
    return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

size_t yaml_count(struct yaml_tree *tree, yaml_node node)
{
    const yaml_node_t *n = node_at(tree, node);
    if (n && n->type == YAML_SEQUENCE_NODE)
        return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (n && n->type == YAML_MAPPING_NODE)
        return (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    return 0;
}

yaml_node yaml_child(struct yaml_tree *tree, yaml_node node, size_t i)
{
    const yaml_node_t *n = node_at(tree, node);
    if (i >= yaml_count(tree, node))
        return 0;
    return n->type == YAML_SEQUENCE_NODE ? n->data.sequence.items.start[i]
                                         : n->data.mapping.pairs.start[i].value;
}

yaml_node yaml_key(struct yaml_tree *tree, yaml_node node, size_t i)
{
    const yaml_node_t *n = node_at(tree, node);
    return i < yaml_count(tree, node) && n->type == YAML_MAPPING_NODE
               ? n->data.mapping.pairs.start[i].key
               : 0;
}

yaml_node yaml_find(struct yaml_tree *tree, yaml_node map, const char *key)
{
    for (size_t i = 0; i < yaml_count(tree, map); i++)
        if (strcmp(yaml_text(tree, yaml_key(tree, map, i)), key) == 0)
            return yaml_child(tree, map, i);
    return 0;
}
