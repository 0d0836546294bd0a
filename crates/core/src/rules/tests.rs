use super::*;
use crate::message::{
    Sensitivity,
    tests::{header, party},
};

fn text(name: &str) -> RuleText {
    RuleText {
        name: name.into(),
        then: Action::NeverTrack,
        senders: None,
        sender_domains: None,
        recipients: None,
        subject_contains: None,
        sensitivity: None,
        mailboxes: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a rule does not ask for is missing")]
fn list(values: &[&str]) -> Option<Vec<String>> {
    Some(values.iter().map(|value| (*value).to_owned()).collect())
}

fn domain_rule(name: &str, domains: &[&str]) -> Rule {
    Rule::read(RuleText { sender_domains: list(domains), ..text(name) }).unwrap()
}

fn anna() -> Address {
    Address::new("anna@contoso.test").unwrap()
}

fn rules(rules: Vec<Rule>) -> Rules {
    Rules { rules, ..Rules::default() }
}

#[test]
fn s6_8_a_domain_is_never_tracked_nor_is_what_lies_below_it() {
    let rules = rules(vec![domain_rule("Lawyers", &["@Law.Example"])]);
    let (own, from) = (anna(), |from: &str| header(from, &["anna@contoso.test"]));
    let reader = Reader { name: "Anna Berg", address: Some(&own) };
    for kept_out in ["kim@law.example", "Kim@MAIL.law.example", "kim@law.example."] {
        let ruling = rules.forbids(&from(kept_out), reader).unwrap_or_else(|| panic!("{kept_out}"));
        assert_eq!(ruling.by, RuledBy::Rule("Lawyers".into()));
        assert!(ruling.words().contains("law.example"), "{}", ruling.words());
    }
    for other in ["kim@outlaw.example", "kim@law.example.org", "law.example@other.test"] {
        assert_eq!(rules.forbids(&from(other), reader), None, "{other}");
    }
}

#[test]
fn s6_8_all_conditions_of_a_rule_have_to_hold_and_one_value_of_each() {
    let rule = Rule::read(RuleText {
        senders: list(&["kim@x.test", "lee@x.test"]),
        recipients: list(&["board@contoso.test"]),
        subject_contains: list(&["salary", "Größe"]),
        sensitivity: Some(vec![Sensitivity::Private, Sensitivity::Confidential]),
        ..text("Board")
    })
    .unwrap();
    let own = anna();
    let reader = Reader { name: "Anna", address: Some(&own) };
    let mut message = header("LEE@x.test", &["anna@contoso.test"]);
    let mut does_not = |change: &mut dyn FnMut(&mut MessageHeader), part: &str| {
        let Checked::DoesNot(why) = rule.check(&message, reader) else { panic!("matches too early") };
        assert!(why.contains(part), "{why}");
        change(&mut message);
    };
    does_not(&mut |message| message.cc.push(party("board@contoso.test")), "none of its recipients");
    does_not(&mut |message| message.subject = "About the GRÖSSE and größe".into(), "its subject does not");
    does_not(&mut |message| message.sensitivity = Sensitivity::Personal, "its sensitivity is normal");
    does_not(&mut |message| message.sensitivity = Sensitivity::Confidential, "personal, not private or conf");
    assert!(matches!(rule.check(&message, reader), Checked::Matches(why) if why.contains("confidential")));
    message.from = None;
    assert!(matches!(rule.check(&message, reader), Checked::DoesNot(why) if why.contains("missing")));
}

#[test]
fn s6_8_the_first_rule_that_matches_decides_and_a_rule_can_be_for_some_mailboxes() {
    let limited = RuleText {
        sender_domains: list(&["x.test"]),
        mailboxes: list(&["ANNA@contoso.test", "sales"]),
        ..text("Limited")
    };
    let rules = rules(vec![Rule::read(limited).unwrap(), domain_rule("All", &["test"])]);
    let (own, other) = (anna(), Address::new("bo@contoso.test").unwrap());
    let message = header("kim@x.test", &[]);
    let by = |name, address| rules.forbids(&message, Reader { name, address }).unwrap().by;
    assert_eq!(by("Anna Berg", Some(&own)), RuledBy::Rule("Limited".into()));
    assert_eq!(by("Sales", None), RuledBy::Rule("Limited".into()));
    assert_eq!(by("Bo Ek", Some(&other)), RuledBy::Rule("All".into()));
    // Only a mailbox: nothing of it is tracked.
    let all_of_it = Rule::read(RuleText { mailboxes: list(&["Sales"]), ..text("None") }).unwrap();
    let sales = Reader { name: "Sales", address: None };
    assert!(matches!(all_of_it.check(&message, sales), Checked::Matches(why) if why.contains("Sales")));
}

#[test]
fn s2_4_forwards_are_told_by_what_the_program_puts_before_the_subject() {
    let sign = |subject: &str| {
        let mut message = header("kim@x.test", &[]);
        message.subject = subject.into();
        sign_of_forward(&message, &["VS".to_owned()])
    };
    for forward in [
        "FW: Offer",
        "Fwd: Offer",
        "fwd : RE: Offer",
        "WG: AW: Angebot",
        "TR : Offre",
        "RV: Oferta",
        "ENC: Oferta",
        "I: R: Offerta",
        "VB: Offert",
        "VL: Tarjous",
        "Doorst: Offerte",
        "İLT: Teklif",
        "ilt: Teklif",
        "ΠΡΘ: x",
        "转发：报价",
        "[EXTERNAL] [x] FW[2]: Offer",
        "Fwd (3): Offer",
        "VS: Tilbud",
    ] {
        assert!(sign(forward).is_some(), "{forward}");
    }
    for reply in [
        "RE: FW: Offer",
        "AW: WG: Angebot",
        "SV: VB: Offert",
        "Offer FW: x",
        "FW Offer",
        "Forwarding: x",
        "Intel: x",
        "[FW: x",
        "",
        ":",
        "FW [a]: x",
    ] {
        assert_eq!(sign(reply), None, "{reply}");
    }
    let mut message = header("kim@x.test", &[]);
    message.subject = "VS: Tarjous".into();
    assert_eq!(sign_of_forward(&message, &[]), None, "Finnish replies begin with VS");
    message.auto_forwarded = true;
    assert!(sign_of_forward(&message, &[]).is_some_and(|sign| sign.contains("rule")));
}

#[test]
fn s2_4_a_forward_is_kept_out_only_where_it_is_wanted_for_its_thread_and_the_switch_is_on() {
    let own = anna();
    let reader = Reader { name: "Anna", address: Some(&own) };
    let mut message = header("kim@x.test", &[]);
    message.subject = "FW: Offer".into();
    let on = Rules { forwards_are_not_replies: Scope::Everywhere, ..Rules::default() };
    let ruling = on.overrules(&message, reader, ReasonCode::CorrelationMatch).unwrap();
    assert_eq!(ruling.by, RuledBy::ForwardsAreNotReplies);
    assert!(ruling.words().contains("FW:"), "{}", ruling.words());
    for reason in [ReasonCode::AcceptAll, ReasonCode::SenderMatch] {
        assert_eq!(on.overrules(&message, reader, reason), None, "{reason:?}");
    }
    assert_eq!(Rules::default().overrules(&message, reader, ReasonCode::CorrelationMatch), None);
    let elsewhere = Rules {
        forwards_are_not_replies: Scope::In(vec![MailboxName::new("sales").unwrap()]),
        ..Rules::default()
    };
    assert_eq!(elsewhere.overrules(&message, reader, ReasonCode::CorrelationMatch), None);
    message.subject = "RE: Offer".into();
    assert_eq!(on.overrules(&message, reader, ReasonCode::CorrelationMatch), None);
}

#[test]
fn a_rule_that_is_none_or_can_never_match_is_refused_with_its_place() {
    let refused = |text: RuleText| Rule::read(text).unwrap_err();
    assert_eq!(refused(text(" ")).key, "name");
    assert!(refused(text("Empty")).what.contains("nothing at all"));
    for (rule, key, value, part) in [
        (RuleText { senders: list(&["a@x", "kim"]), ..text("R") }, "senders", Some(1), "“kim”"),
        (RuleText { sender_domains: list(&["a b"]), ..text("R") }, "sender_domains", Some(0), "domain"),
        (RuleText { sender_domains: list(&["a@x.test"]), ..text("R") }, "sender_domains", Some(0), "domain"),
        (RuleText { subject_contains: list(&["x", " "]), ..text("R") }, "subject_contains", Some(1), "every"),
        (RuleText { recipients: list(&[]), ..text("R") }, "recipients", None, "can never match"),
        (RuleText { sensitivity: Some(vec![]), ..text("R") }, "sensitivity", None, "can never match"),
        (
            RuleText { sensitivity: Some(vec![Sensitivity::Normal]), ..text("R") },
            "sensitivity",
            Some(0),
            "normal",
        ),
        (
            RuleText { senders: list(&["a@x.test"]), sender_domains: list(&["y.test"]), ..text("R") },
            "senders",
            None,
            "can never match",
        ),
    ] {
        let unusable = refused(rule);
        assert_eq!((unusable.key, unusable.value), (key, value), "{unusable:?}");
        assert!(unusable.what.contains(part) && !unusable.remedy.is_empty(), "{unusable:?}");
    }
}

#[test]
fn a_rule_that_an_earlier_one_leaves_nothing_to_is_found() {
    let narrow = |name: &str, domains: &[&str], subject: &[&str]| {
        let rule = RuleText {
            sender_domains: list(domains),
            subject_contains: list(subject),
            mailboxes: list(&["Sales"]),
            ..text(name)
        };
        Rule::read(rule).unwrap()
    };
    let sender = RuleText { senders: list(&["kim@mail.x.test"]), ..text("Sender") };
    let rules = rules(vec![
        narrow("First", &["x.test"], &["Offer"]),
        narrow("Below", &["mail.x.test"], &["The offer"]),
        narrow("Wider", &["x.test", "y.test"], &["Offer"]),
        domain_rule("Everywhere", &["x.test"]),
        Rule::read(sender).unwrap(),
    ]);
    let names: Vec<(&str, &str)> =
        rules.shadowed().into_iter().map(|(rule, by)| (rule.name.as_str(), by.name.as_str())).collect();
    assert_eq!(names, [("Below", "First"), ("Sender", "Everywhere")]);
}

proptest::proptest! {
    #[test]
    fn no_subject_makes_the_reader_panic(subject: String) {
        let mut message = header("kim@x.test", &[]);
        message.subject = subject;
        let _sign = sign_of_forward(&message, &[]);
    }

    #[test]
    fn what_a_shadowed_rule_matches_its_shadow_matches(
        left in proptest::collection::vec("[ab]\\.(x|y)", 1..3),
        right in proptest::collection::vec("([ab]\\.)?(x|y)", 1..3),
        sender in "k@([cd]\\.)?[ab]\\.(x|y)",
    ) {
        let texts = |domains: &[String]| Some(domains.to_vec());
        let earlier = Rule::read(RuleText { sender_domains: texts(&right), ..text("E") }).unwrap();
        let later = Rule::read(RuleText { sender_domains: texts(&left), ..text("L") }).unwrap();
        let message = header(&sender, &[]);
        let reader = Reader { name: "", address: None };
        let matches = |rule: &Rule| matches!(rule.check(&message, reader), Checked::Matches(_));
        if shadow::covers(&earlier, &later) && matches(&later) {
            assert!(matches(&earlier));
        }
    }
}
