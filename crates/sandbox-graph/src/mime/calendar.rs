//! Just enough iCalendar to recognise a meeting message and say when and where it is.

use crate::mailbox::message::{Meeting, MeetingMessage};

/// The meeting of a `text/calendar` part, when it is a meeting message at all.
pub(super) fn read(text: &str) -> Option<Meeting> {
    let lines = unfold(text);
    let event = event_lines(&lines);
    let message = match property(&lines, "METHOD")?.value.to_ascii_uppercase().as_str() {
        "REQUEST" => MeetingMessage::Request,
        "CANCEL" => MeetingMessage::Cancellation,
        "REPLY" => response(event)?,
        _ => return None,
    };
    let start = property(event, "DTSTART");
    Some(Meeting {
        message,
        all_day: start.as_ref().is_some_and(|start| !start.value.contains('T')),
        start: start.and_then(|property| date_time(&property)),
        end: property(event, "DTEND").and_then(|property| date_time(&property)),
        location: property(event, "LOCATION").map(|p| unescape(&p.value)).unwrap_or_default(),
    })
}

struct Property {
    parameters: String,
    value: String,
}

fn unfold(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => lines.push(line.trim_end().to_owned()),
        }
    }
    lines
}

/// The lines of the first `VEVENT`: a `VTIMEZONE` has a `DTSTART` of its own.
fn event_lines(lines: &[String]) -> &[String] {
    let begin = lines.iter().position(|line| line.eq_ignore_ascii_case("BEGIN:VEVENT")).unwrap_or(0);
    let rest = lines.get(begin..).unwrap_or_default();
    let end = rest.iter().position(|line| line.eq_ignore_ascii_case("END:VEVENT")).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

fn property(lines: &[String], name: &str) -> Option<Property> {
    lines.iter().find_map(|line| {
        let (head, value) = line.split_once(':')?;
        let (found, parameters) = head.split_once(';').unwrap_or((head, ""));
        found
            .eq_ignore_ascii_case(name)
            .then(|| Property { parameters: parameters.to_owned(), value: value.to_owned() })
    })
}

fn response(event: &[String]) -> Option<MeetingMessage> {
    let status = property(event, "ATTENDEE")?.parameters.to_ascii_uppercase();
    if status.contains("PARTSTAT=ACCEPTED") {
        Some(MeetingMessage::Accepted)
    } else if status.contains("PARTSTAT=TENTATIVE") {
        Some(MeetingMessage::TentativelyAccepted)
    } else if status.contains("PARTSTAT=DECLINED") {
        Some(MeetingMessage::Declined)
    } else {
        None
    }
}

/// `20260102T030405Z` as Graph's date-time and time zone.
fn date_time(property: &Property) -> Option<(String, String)> {
    let digits = property.value.trim();
    let date = (digits.get(0..4)?, digits.get(4..6)?, digits.get(6..8)?);
    let time = match digits.get(8..9) {
        Some("T") => (digits.get(9..11)?, digits.get(11..13)?, digits.get(13..15)?),
        _ => ("00", "00", "00"),
    };
    let zone = property
        .parameters
        .split(';')
        .find_map(|parameter| parameter.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("TZID")))
        .map_or("UTC", |(_, zone)| zone.trim_matches('"'));
    let text = format!("{}-{}-{}T{}:{}:{}.0000000", date.0, date.1, date.2, time.0, time.1, time.2);
    Some((text, zone.to_owned()))
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\")
}
