//! mbox files: messages behind `From ` lines, with `>From ` quoted (mboxrd; mboxo reads the same).

use std::io::{self, BufRead};

/// The messages of an mbox, one at a time.
pub(super) fn messages(reader: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    Messages { reader, begun: false, done: false }
}

struct Messages<R> {
    reader: R,
    begun: bool,
    done: bool,
}

impl<R: BufRead> Iterator for Messages<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut message = Vec::new();
        let mut after_blank = true;
        while !self.done {
            let mut line = Vec::new();
            match self.reader.read_until(b'\n', &mut line) {
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
                Ok(0) => self.done = true,
                Ok(_) if after_blank && line.starts_with(b"From ") => {
                    // The line ends the message before it, if there is one.
                    if self.begun {
                        return Some(Ok(without_separator(message)));
                    }
                    self.begun = true;
                    after_blank = false;
                }
                Ok(_) => {
                    after_blank = matches!(line.as_slice(), b"\n" | b"\r\n");
                    message.extend_from_slice(unquoted(&line));
                }
            }
        }
        let last = self.begun && !message.is_empty();
        self.begun = false;
        last.then(|| Ok(without_separator(message)))
    }
}

/// A line that begins with `>`s and `From ` has one `>` too many.
fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    match line.get(quotes..) {
        Some(rest) if quotes > 0 && rest.starts_with(b"From ") => line.get(1..).unwrap_or(line),
        _ => line,
    }
}

/// The blank line before the next `From ` belongs to the mbox, not to the message.
fn without_separator(mut message: Vec<u8>) -> Vec<u8> {
    for blank in [b"\r\n\r\n".as_slice(), b"\n\n".as_slice()] {
        if message.ends_with(blank) {
            message.truncate(message.len() - blank.len() / 2);
            break;
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<String> {
        messages(text.as_bytes()).map(|message| String::from_utf8(message.unwrap()).unwrap()).collect()
    }

    #[test]
    fn messages_are_told_apart_and_unquoted() {
        let text = "From a@x Mon\r\nSubject: 1\r\n\r\n>From here\r\n>>From there\r\n\r\nFrom b@x Tue\r\nSubject: 2\r\n\r\nIn a line From is no start\r\nFrom this one neither, no blank line before it\r\n";
        assert_eq!(
            read(text),
            [
                "Subject: 1\r\n\r\nFrom here\r\n>From there\r\n",
                "Subject: 2\r\n\r\nIn a line From is no start\r\nFrom this one neither, no blank line before it\r\n"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic_or_loop(bytes: Vec<u8>) {
            let count = messages(bytes.as_slice()).take(10_000).count();
            prop_assert!(count <= bytes.len());
        }
    }
}
