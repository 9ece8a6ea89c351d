//! Rust source as a flat list of tokens, without comments, numbers and lifetimes.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What the module tree is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// A literal's text without its quotes; `#[path]` needs it.
    Text(String),
    /// `::`
    PathSeparator,
    /// Any other sign.
    Sign(char),
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Splits Rust source into tokens; what is no Rust has none.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    flatten(
        TokenStream::from_str(source).unwrap_or_default(),
        &mut tokens,
    );
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::Parenthesis | Delimiter::None => ('(', ')'),
                };
                tokens.push(Token::Sign(open));
                flatten(group.stream(), tokens);
                tokens.push(Token::Sign(close));
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                tokens.push(Token::Word(word.trim_start_matches("r#").to_owned()));
            }
            TokenTree::Literal(text) => {
                tokens.push(Token::Text(text.to_string().trim_matches('"').to_owned()));
            }
            TokenTree::Punct(sign) => match (sign.as_char(), sign.spacing()) {
                // Two colons that stand together, and a lifetime's name.
                (':', Spacing::Joint) => {
                    trees.next();
                    tokens.push(Token::PathSeparator);
                }
                ('\'', _) => drop(trees.next()),
                (sign, _) => tokens.push(Token::Sign(sign)),
            },
        }
    }
}
