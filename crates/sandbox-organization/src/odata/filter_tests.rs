use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::cell::Reference;

fn table(name: &str) -> &'static Table {
    schema::table(name).unwrap()
}

fn store() -> Store {
    let mut store = Store::default();
    let (email, party, contact) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let mut row = Row::default();
    row.set("subject", Cell::text("Offer for O'Hara"));
    row.set("messageid", Cell::text("<a@b>"));
    row.set("statuscode", Cell::Integer(4));
    row.set("directioncode", Cell::Boolean(false));
    row.set("createdon", Cell::Time("2026-11-23T08:00:00Z".parse().unwrap()));
    row.set("regardingobjectid", Cell::Lookup(Reference { table: table("contact"), id: contact }));
    store.put(table("email"), email, row);
    let mut row = Row::default();
    row.set("activityid", Cell::Lookup(Reference { table: table("email"), id: email }));
    row.set("participationtypemask", Cell::Integer(1));
    store.put(table("activityparty"), party, row);
    store
}

fn matches(filter: &str) -> bool {
    let store = store();
    let email = table("email");
    let aliases = BTreeMap::from([("@p1".to_owned(), "'<A@B>'".to_owned())]);
    let condition = Condition::parse(filter, email, &aliases).unwrap();
    let id = Uuid::from_u128(1);
    let row = store.get(email, id).unwrap();
    let holds = condition.holds(&store, id, row);
    if let Some(candidates) = condition.candidates(&store, email) {
        assert!(!holds || candidates.contains(&id), "an index may not hide a row: {filter}");
    }
    holds
}

#[test]
fn what_a_filter_can_say() {
    let cases = [
        ("messageid eq '<A@b>'", true),
        ("messageid eq @p1", true),
        ("messageid ne '<a@b>'", false),
        ("contains(subject,'o''hara')", true),
        ("startswith(subject,'offer') and endswith(subject,'HARA')", true),
        ("not contains(subject,'x') and not(statuscode eq 3)", true),
        ("statuscode eq 3 or (statuscode gt 3 and statuscode le 4)", true),
        ("directioncode eq true", false),
        ("createdon ge 2026-11-23T08:00:00Z and createdon lt 2026-11-24", true),
        ("description eq null", true),
        ("subject ne null", true),
        ("trackingtoken ne 'x'", true),
        ("_regardingobjectid_value eq 00000000-0000-0000-0000-000000000003", true),
        ("regardingobjectid_contact_email/contactid eq 00000000-0000-0000-0000-000000000003", true),
        ("regardingobjectid_account_email/accountid eq 00000000-0000-0000-0000-000000000003", false),
        ("Microsoft.Dynamics.CRM.In(PropertyName='statuscode',PropertyValues=['3','4'])", true),
        ("email_activity_parties/any(p:p/participationtypemask eq 1)", true),
        ("email_activity_parties/any(p:p/participationtypemask eq 2)", false),
        ("email_activity_parties/all(p:p/participationtypemask lt 2 and p/addressused eq null)", true),
        ("email_activity_mime_attachment/any()", false),
        ("activityid eq 00000000-0000-0000-0000-000000000001", true),
    ];
    for (filter, expected) in cases {
        assert_eq!(matches(filter), expected, "{filter}");
    }
}

#[test]
fn what_a_filter_can_not_say() {
    let refused = [
        "colour eq 'red'",
        "regardingobjectid eq null",
        "messageiddupcheck eq null",
        "subject eq",
        "(subject eq 'x'",
        "tolower(subject) eq 'x'",
        "statuscode eq 'four'",
        "regardingobjectid_contact_email/fullname eq 'x'",
        "subject eq 'x' extra",
    ];
    for filter in refused {
        let fault = Condition::parse(filter, table("email"), &BTreeMap::new()).unwrap_err();
        assert_eq!(fault.status.as_u16(), 400, "{filter}");
    }
    let deep = format!("{}subject eq null{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(Condition::parse(&deep, table("email"), &BTreeMap::new()).is_err());
}

proptest! {
    #[test]
    fn any_filter_is_read_or_refused(filter in "[a-z /()':,=\\[\\]0-9-]{0,60}") {
        drop(Condition::parse(&filter, table("email"), &BTreeMap::new()));
    }
}
