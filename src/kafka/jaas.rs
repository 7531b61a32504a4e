//! `sasl.jaas.config`: a login module and its options, in the syntax of Java's login configuration.

use std::iter::Peekable;
use std::str::Chars;

/// A login module and its options.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    /// The module's class.
    pub module: String,
    /// Its options, in the order they stand in.
    pub options: Vec<(String, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

impl Login {
    /// Reads one entry, `module flag name="value" …;`. An error says what is wrong without showing a value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = tokens(text)?.into_iter().peekable();
        let word = |what: &str, tokens: &mut Peekable<std::vec::IntoIter<Token>>| match tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(format!("sasl.jaas.config has no {what}")),
        };
        let module = word("login module", &mut tokens)?;
        let flag = word("flag (required) behind its login module", &mut tokens)?;
        if !["required", "requisite", "sufficient", "optional"].contains(&flag.to_lowercase().as_str()) {
            return Err("sasl.jaas.config has no flag (required) behind its login module".to_owned());
        }
        let mut options = Vec::new();
        loop {
            match tokens.next() {
                Some(Token::Sign(';')) => break,
                Some(Token::Word(name)) if tokens.next() == Some(Token::Sign('=')) => {
                    let value = word(&format!("value for {name}"), &mut tokens)?;
                    options.push((name, value));
                }
                Some(Token::Word(_)) => return Err("sasl.jaas.config has an option without = and a value".to_owned()),
                Some(Token::Sign(_)) => {
                    return Err("sasl.jaas.config has a sign where an option's name is due".to_owned());
                }
                None => return Err("sasl.jaas.config does not end with a semicolon".to_owned()),
            }
        }
        match tokens.next() {
            None => Ok(Self { module, options }),
            Some(_) => Err("sasl.jaas.config has more than one login module".to_owned()),
        }
    }

    /// An option's value.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut letters = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\'' => tokens.push(Token::Word(quoted(&mut letters, letter)?)),
            '=' | ';' => tokens.push(Token::Sign(letter)),
            '/' if letters.next_if_eq(&'/').is_some() => while letters.next_if(|letter| *letter != '\n').is_some() {},
            '/' if letters.next_if_eq(&'*').is_some() => skip_comment(&mut letters),
            _ if letter.is_whitespace() => {}
            _ => {
                let mut word = String::from(letter);
                let more = |letter: &char| !letter.is_whitespace() && !matches!(letter, '"' | '\'' | '=' | ';');
                while let Some(letter) = letters.next_if(more) {
                    word.push(letter);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(letters: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, String> {
    let mut word = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => word.push('\n'),
                Some('t') => word.push('\t'),
                Some('r') => word.push('\r'),
                Some(escaped) => word.push(escaped),
                None => break,
            },
            _ if letter == quote => return Ok(word),
            _ => word.push(letter),
        }
    }
    Err("sasl.jaas.config has a quotation mark that is not closed".to_owned())
}

fn skip_comment(letters: &mut Peekable<Chars<'_>>) {
    while let Some(letter) = letters.next() {
        if letter == '*' && letters.next_if_eq(&'/').is_some() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_java_reads_it() {
        let text =
            "a.b.PlainLoginModule required // who\n username=\"alice\" /* and */ password='a\"b;=' x=\"q\\\"\\\\\";";
        let login = Login::parse(text).unwrap();
        assert_eq!(login.module, "a.b.PlainLoginModule");
        let option = |name| login.option(name);
        assert_eq!(
            [option("username"), option("password"), option("x"), option("y")],
            [Some("alice"), Some("a\"b;="), Some("q\"\\"), None]
        );
        assert!(Login::parse("m required;").unwrap().options.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_without_a_value() {
        let cases = [
            ("", "sasl.jaas.config has no login module"),
            ("m username=hunter2;", "sasl.jaas.config has no flag (required) behind its login module"),
            ("m required password=hunter2", "sasl.jaas.config does not end with a semicolon"),
            ("m required password=\"hunter2;", "sasl.jaas.config has a quotation mark that is not closed"),
            ("m required hunter2;", "sasl.jaas.config has an option without = and a value"),
            ("m required password=;", "sasl.jaas.config has no value for password"),
            ("m required =;", "sasl.jaas.config has a sign where an option's name is due"),
            ("m required; n required;", "sasl.jaas.config has more than one login module"),
        ];
        for (text, expected) in cases {
            assert_eq!(Login::parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
