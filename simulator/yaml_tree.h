/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as a tree of nodes that know their lines. The only file that sees libyaml. Foreign
 * text is bounded here: size, and one document only; depth is bounded by who walks it. */
#ifndef MW_SIMULATOR_YAML_TREE_H
#define MW_SIMULATOR_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#define YAML_TREE_MAX_BYTES ((size_t)1024 * 1024)

struct yaml_tree;

/* A node's number; 0 is no node. */
typedef int yaml_node;

enum yaml_kind { YAML_NOTHING = 0, YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_fault {
    int line; /* 1-based */
    char text[120];
};

/* MW_OK and a tree to be given to yaml_tree_free; or MW_ERR_FORMAT, MW_ERR_TOO_BIG,
 * MW_ERR_NO_MEMORY with the place in *ret_why. */
int yaml_tree_parse(struct yaml_tree **ret_tree, const char *text, size_t n_bytes,
                    struct yaml_fault *ret_why);
void yaml_tree_free(struct yaml_tree *tree);

/* 0 for an empty document. */
yaml_node yaml_root(struct yaml_tree *tree);
enum yaml_kind yaml_kind(struct yaml_tree *tree, yaml_node node);
int yaml_line(struct yaml_tree *tree, yaml_node node);

/* A scalar's characters, NUL-terminated, owned by the tree; "" for any other kind. */
const char *yaml_text(struct yaml_tree *tree, yaml_node node);

/* Children of a list or map; the key of a map's i-th child. */
size_t yaml_count(struct yaml_tree *tree, yaml_node node);
yaml_node yaml_child(struct yaml_tree *tree, yaml_node node, size_t i);
yaml_node yaml_key(struct yaml_tree *tree, yaml_node node, size_t i);

/* The value of the first key with this name, or 0. */
yaml_node yaml_find(struct yaml_tree *tree, yaml_node map, const char *key);

#endif
