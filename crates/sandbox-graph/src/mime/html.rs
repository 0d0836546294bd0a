//! Bodies between plain text and HTML.

use mail_parser::decoders::html::{html_to_text, text_to_html};

pub(crate) fn to_text(html: &str) -> String {
    html_to_text(&without_elements(html, &["script", "style", "title"])).trim().to_owned()
}

pub(crate) fn from_text(text: &str) -> String {
    text_to_html(text)
}

/// What Graph shows unless `Prefer: outlook.allow-unsafe-html` asks for everything (graph.md 3.1).
pub(crate) fn without_scripts(html: &str) -> String {
    without_elements(html, &["script"])
}

fn without_elements(html: &str, names: &[&str]) -> String {
    names.iter().fold(html.to_owned(), |text, name| without_element(&text, name))
}

fn without_element(html: &str, name: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let (opening, closing) = (format!("<{name}"), format!("</{name}"));
    let mut kept = String::with_capacity(html.len());
    let mut at = 0;
    while let Some(begin) = find(&lower, &opening, at) {
        kept.push_str(html.get(at..begin).unwrap_or_default());
        let end = find(&lower, &closing, begin).and_then(|close| find(&lower, ">", close));
        at = end.map_or(html.len(), |end| end + 1);
    }
    kept.push_str(html.get(at..).unwrap_or_default());
    kept
}

fn find(text: &str, what: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(what).map(|position| position + from)
}
