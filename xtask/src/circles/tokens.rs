//! Rust source as tokens, without comments, literals and lifetimes.

/// What the module tree is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// A string literal's text, escapes as they stand; `#[path]` needs it.
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

/// Splits Rust source into tokens.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut rest = Source {
        chars: source.chars().collect(),
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(first) = rest.peek(0) {
        match (first, rest.peek(1)) {
            ('/', Some('/')) => rest.skip_while(|c| c != '\n'),
            ('/', Some('*')) => rest.skip_comment(),
            ('"', _) => tokens.push(Token::Text(rest.text())),
            ('\'', _) => rest.skip_character_or_lifetime(),
            (':', Some(':')) => {
                rest.at += 2;
                tokens.push(Token::PathSeparator);
            }
            (c, _) if c.is_ascii_digit() => rest.skip_while(is_word),
            (c, _) if is_word(c) => {
                let word = rest.word();
                match (word.as_str(), rest.peek(0), rest.peek(1)) {
                    ("r" | "br" | "cr", Some('"'), _) | ("r" | "br" | "cr", _, Some('"' | '#')) => {
                        tokens.push(Token::Text(rest.raw_text()));
                    }
                    ("r", Some('#'), Some(_)) => {
                        rest.at += 1;
                        tokens.push(Token::Word(rest.word()));
                    }
                    _ => tokens.push(Token::Word(word)),
                }
            }
            (c, _) => {
                rest.at += 1;
                if !c.is_whitespace() {
                    tokens.push(Token::Sign(c));
                }
            }
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Source {
    chars: Vec<char>,
    at: usize,
}

impl Source {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&keep) {
            self.at += 1;
        }
    }

    fn since(&self, start: usize) -> String {
        self.chars[start..self.at.min(self.chars.len())]
            .iter()
            .collect()
    }

    fn word(&mut self) -> String {
        let start = self.at;
        self.skip_while(is_word);
        self.since(start)
    }

    fn skip_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (Some(_), _) => {
                    self.at += 1;
                    continue;
                }
                (None, _) => return,
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    fn text(&mut self) -> String {
        let start = self.at + 1;
        self.at = start;
        while let Some(c) = self.peek(0).filter(|&c| c != '"') {
            self.at += if c == '\\' { 2 } else { 1 };
        }
        let text = self.since(start);
        self.at += 1;
        text
    }

    /// The text of `r#"…"#`, the `r` already read.
    fn raw_text(&mut self) -> String {
        let hashes = self.at;
        self.skip_while(|c| c == '#');
        let hashes = self.at - hashes;
        let start = self.at + 1;
        self.at = start;
        let ends = |source: &Self| (1..=hashes).all(|n| source.peek(n) == Some('#'));
        while self.peek(0).is_some_and(|c| c != '"' || !ends(self)) {
            self.at += 1;
        }
        let text = self.since(start);
        self.at += 1 + hashes;
        text
    }

    fn skip_character_or_lifetime(&mut self) {
        self.at += 1;
        if self.peek(0) == Some('\\') {
            self.at += 2;
            self.skip_while(|c| c != '\'');
            self.at += 1;
        } else if self.peek(1) == Some('\'') {
            self.at += 2;
        } else {
            self.skip_while(is_word);
        }
    }
}
