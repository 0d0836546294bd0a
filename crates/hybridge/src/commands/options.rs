//! `hybridge options`: the organization's options as they count, and where each value comes from.

use std::{fmt::Write as _, path::Path, sync::Arc};

use hybridge_core::options::{Options, Resolved, Source, TABLE, Value};
use hybridge_engine::Silent;
use serde_json::json;

use crate::{
    error::Result,
    exit::Exit,
    output::{Output, column},
    wiring,
};

/// Shows what is set or overridden, or every option.
pub(crate) async fn options(config: &Path, all: bool, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    let store = wiring::open_for_trial(&config).await?;
    let engine = wiring::engine(&config, store, Arc::new(Silent)).await?;
    let options = engine.survey().await?.options;
    for line in lines(&options, all) {
        output.line(line);
    }
    output.json(&json!({ "options": options.iter().map(|option| json!({
        "name": option.name,
        "value": option.value,
        "source": option.source,
        "organization_says": option.organization_says,
        "where": option.spec().map(|spec| spec.place),
        "default": option.spec().map(|spec| spec.default),
        "obeyed_by": option.spec().map(|spec| spec.by),
        "effect": option.spec().map(|spec| spec.effect),
    })).collect::<Vec<_>>() }));
    Ok(Exit::Done)
}

fn lines(options: &Options, all: bool) -> Vec<String> {
    let shown: Vec<&Resolved> = options
        .iter()
        .filter(|option| all || !matches!(option.source, Source::Default | Source::Each))
        .collect();
    let mut lines = Vec::new();
    for option in &shown {
        let value = option.value.as_ref().map(Value::to_string).unwrap_or_default();
        lines.push(format!("{} {} {}", column(&option.name, 52), column(&value, 16), option.source.words()));
        if let Some(said) = &option.organization_says {
            lines.push(format!("  the organization says {said}"));
        }
        if let Some(spec) = option.spec() {
            lines.push(format!("  {}; obeyed by {}", spec.effect, spec.by.words()));
        }
    }
    let hidden = TABLE.len() - shown.len();
    if hidden > 0 {
        lines.push(format!(
            "{hidden} options are not set and have their defaults; `hybridge options --all` lists them."
        ));
    }
    lines
}

/// docs/reference/options.md.
#[cfg_attr(not(test), expect(dead_code, reason = "the reference is written by its test"))]
fn reference() -> String {
    let mut text = String::from(
        "# Options of the organization\n\n\
         What Dynamics' own synchronization obeys, and who does now. `hybridge options` shows the values that count and where each comes \
         from.\nWhat is obeyed by Hybridge can be overridden in its configuration, and `hybridge options` and `hybridge status` say so:\n\n\
         ```toml\n[options]\nCreateQueueItemForSynchronizingMailbox = true\n```\n\n\
         An option that the organization does not set has the default of its build, which can't be seen from outside; what is documented\n\
         is assumed. Where the sources differ, it is said.\n\n\
         This file is written by a test from the code (`UPDATE_DOCS=1 cargo test -p hybridge options`).\n\n\
         | option | where | values | default | obeyed by | what it does |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for spec in TABLE {
        let default = if spec.default.is_empty() {
            "none".to_owned()
        } else {
            format!("`{}`", spec.default.replace('|', "\\|"))
        };
        let disagreement =
            if spec.disagreement.is_empty() { String::new() } else { format!(" ({})", spec.disagreement) };
        // Writing to a String can't fail.
        let _written = writeln!(
            text,
            "| `{}` | {} | {} | {default}{disagreement} | {} | {} |",
            spec.name,
            spec.place.words(),
            spec.kind.words(),
            spec.by.words(),
            spec.effect,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appendix_a_the_reference_of_the_options_is_that_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/options.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, reference(), "write it anew with UPDATE_DOCS=1");
    }

    #[test]
    fn s1_3_what_is_set_is_shown_and_the_rest_is_counted() {
        let shown = lines(&Options::default(), false);
        assert_eq!(shown.len(), 1, "{shown:#?}");
        assert!(shown[0].starts_with(&format!("{} options are not set", TABLE.len())), "{shown:#?}");
        assert!(lines(&Options::default(), true).len() > TABLE.len());
    }
}
