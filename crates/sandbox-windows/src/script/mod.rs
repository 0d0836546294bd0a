//! A script as a tree: read by the PowerShell grammar of tree-sitter, then named construct by construct.
//!
//! What the dialect does not have is an error with its line, whether or not it would ever be run.

pub(crate) mod ast;
mod commands;
mod expressions;
mod statements;
mod strings;

use tree_sitter::{Node, Parser};

use self::ast::Block;

/// Why a script cannot be read, with the line, counted from one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct Unread {
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Reads a whole script.
pub(crate) fn read(text: &str) -> Result<Block, Unread> {
    let unready = |what: &str| Unread { line: 1, what: what.to_owned() };
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .map_err(|error| unready(&error.to_string()))?;
    let tree = parser.parse(text, None).ok_or_else(|| unready("the script was not parsed"))?;
    let root = tree.root_node();
    if let Some(bad) = first_error(root) {
        let excerpt: String = text.get(bad.byte_range()).unwrap_or_default().chars().take(60).collect();
        let what = if bad.is_missing() {
            format!("the parser misses '{}'", bad.kind())
        } else {
            format!("unexpected text in a script: '{}'", excerpt.trim())
        };
        return Err(Unread { line: line_of(bad), what });
    }
    Reader { text }.program(root)
}

fn first_error(node: Node<'_>) -> Option<Node<'_>> {
    if node.is_error() || node.is_missing() {
        return Some(node);
    }
    if !node.has_error() {
        return None;
    }
    let mut cursor = node.walk();
    node.children(&mut cursor).find_map(first_error)
}

fn line_of(node: Node<'_>) -> usize {
    node.start_position().row + 1
}

/// The children that carry meaning; comments do not.
fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

fn all(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

struct Reader<'s> {
    text: &'s str,
}

impl<'s> Reader<'s> {
    fn text_of(&self, node: Node<'_>) -> &'s str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn unknown(&self, node: Node<'_>, place: &str) -> Unread {
        let excerpt: String = self.text_of(node).chars().take(60).collect();
        Unread {
            line: line_of(node),
            what: format!("the emulator does not know '{}' in {place}: {}", node.kind(), excerpt.trim()),
        }
    }

    fn one<'t>(&self, node: Node<'t>, place: &str) -> Result<Node<'t>, Unread> {
        named(node).into_iter().next().ok_or_else(|| self.unknown(node, place))
    }
}
