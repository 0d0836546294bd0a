//! What the organization says about itself: service document, CSDL of the subset, and entity
//! definitions (dynamics.md 1, 8).

use std::fmt::Write;

use http::{Method, StatusCode};
use hybridge_sandbox_kit::{Reply, text_reply};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::request::{Request, reply};
use crate::{
    access,
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::{
        literal::Literal,
        path::{Argument, Arguments, Segment},
    },
    schema::{Kind, TABLES, Table},
    state::{Session, State},
};

/// The tables where change tracking can't be switched on.
const FIXED: [&str; 2] = ["activitypointer", "activityparty"];

pub(super) fn service_document(session: &Session) -> Reply {
    let sets: Vec<Json> = TABLES
        .iter()
        .map(|table| json!({ "name": table.set, "kind": "EntitySet", "url": table.set }))
        .collect();
    let context = format!("{}$metadata", session.base);
    reply(StatusCode::OK, Some(&json!({ "@odata.context": context, "value": sets })))
}

/// Entity types, sets, and their navigation properties.
pub(super) fn csdl() -> Reply {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema Namespace=\"Microsoft.Dynamics.CRM\" Alias=\"mscrm\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
    );
    for table in TABLES {
        entity_type(&mut xml, table);
    }
    xml.push_str("<EntityContainer Name=\"System\">");
    for table in TABLES {
        push(
            &mut xml,
            format_args!(
                "<EntitySet Name=\"{}\" EntityType=\"Microsoft.Dynamics.CRM.{}\"/>",
                table.set, table.name
            ),
        );
    }
    xml.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
    text_reply(StatusCode::OK, "application/xml", xml)
}

fn entity_type(xml: &mut String, table: &Table) {
    push(
        xml,
        format_args!("<EntityType Name=\"{}\"><Key><PropertyRef Name=\"{}\"/></Key>", table.name, table.key),
    );
    for attribute in table.readable() {
        let kind = match attribute.kind {
            Kind::Text(_) => "Edm.String",
            Kind::Integer | Kind::Choice(_) => "Edm.Int32",
            Kind::BigInt => "Edm.Int64",
            Kind::Real => "Edm.Double",
            Kind::Boolean => "Edm.Boolean",
            Kind::Time => "Edm.DateTimeOffset",
            Kind::Id | Kind::Lookup(_) => "Edm.Guid",
            Kind::File => "Edm.Binary",
        };
        push(xml, format_args!("<Property Name=\"{}\" Type=\"{kind}\"/>", attribute.property_name()));
        for target in attribute.targets().unwrap_or_default() {
            push(
                xml,
                format_args!(
                    "<NavigationProperty Name=\"{}\" Type=\"mscrm.{}\"/>",
                    target.navigation, target.table
                ),
            );
        }
    }
    for collection in table.collections {
        push(
            xml,
            format_args!(
                "<NavigationProperty Name=\"{}\" Type=\"Collection(mscrm.{})\"/>",
                collection.name, collection.table
            ),
        );
    }
    xml.push_str("</EntityType>");
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    xml.write_fmt(text).unwrap_or_default();
}

/// `EntityDefinitions`: list, one by `LogicalName`, its attributes and keys, and the switch of change
/// tracking.
pub(super) fn definitions(
    state: &mut State,
    session: &Session,
    request: &Request,
    first: &Segment,
    rest: &[Segment],
) -> Outcome<Reply> {
    access::demand_named(state, session, "prvReadEntity", None)?;
    let Some(arguments) = &first.arguments else {
        let options = request.options();
        let filter = options.iter().find(|(name, _)| name == "$filter").map(|(_, filter)| filter.trim());
        let selected = select(request);
        let definitions: Vec<Json> = TABLES
            .iter()
            .map(|table| definition(state, table))
            .filter(|definition| filter.is_none_or(|filter| meets(definition, filter)))
            .map(|definition| pick(definition, selected.as_deref()))
            .collect();
        let context = format!("{}$metadata#EntityDefinitions", session.base);
        return Ok(reply(StatusCode::OK, Some(&json!({ "@odata.context": context, "value": definitions }))));
    };
    let table = named(arguments).ok_or_else(|| {
        Fault::new(StatusCode::NOT_FOUND, 0x8004_1102, "Could not find an entity with the specified name.")
    })?;
    match (rest, &request.method) {
        ([], &Method::GET) => {
            let body = pick(definition(state, table), select(request).as_deref());
            Ok(reply(StatusCode::OK, Some(&body)))
        }
        ([], &Method::PUT) => {
            access::demand_named(state, session, "prvWriteEntity", Some(table))?;
            replace(state, table, &request.json()?)?;
            Ok(reply(StatusCode::NO_CONTENT, None))
        }
        ([segment], &Method::GET) if segment.name == "Attributes" => {
            Ok(reply(StatusCode::OK, Some(&json!({ "value": attributes(table) }))))
        }
        ([segment], &Method::GET) if segment.name == "Keys" => {
            Ok(reply(StatusCode::OK, Some(&json!({ "value": [] }))))
        }
        ([segment, ..], _) => Err(Fault::no_segment(&segment.name)),
        ([], _) => Err(Fault::no_method("EntityDefinitions does not support this method.")),
    }
}

/// `PUT` replaces the whole definition: one that lacks its names is refused. Change tracking is in force once it is
/// published, and can't be switched off again.
fn replace(state: &mut State, table: &'static Table, body: &Map<String, Json>) -> Outcome<()> {
    for name in ["LogicalName", "MetadataId"] {
        if !body.contains_key(name) {
            return Err(Fault::bad(
                INVALID_ARGUMENT,
                format!("The entity definition is incomplete: '{name}' is missing."),
            ));
        }
    }
    if body.get("ChangeTrackingEnabled") == Some(&Json::Bool(true)) && !state.tracked.contains(table.name) {
        if FIXED.contains(&table.name) {
            return Err(Fault::bad(
                0x8004_f036,
                format!("Change tracking can't be enabled for the entity '{}'.", table.name),
            ));
        }
        state.unpublished.insert(table.name);
    }
    Ok(())
}

/// `PublishXml`: the customizations of the named entities come into force.
pub(super) fn publish(state: &mut State, session: &Session, request: &Request) -> Outcome<Reply> {
    if request.method != Method::POST {
        return Err(Fault::no_method("'PublishXml' is an action: it is called with POST."));
    }
    access::demand_named(state, session, "prvPublishCustomization", None)?;
    let body = request.json()?;
    let xml = body.get("ParameterXml").and_then(Json::as_str);
    let xml = xml.ok_or_else(|| Fault::bad(INVALID_ARGUMENT, "'ParameterXml' is missing."))?;
    let named = |table: &&&'static str| xml.contains(&format!("<entity>{table}</entity>"));
    let published: Vec<&'static str> = state.unpublished.iter().filter(named).copied().collect();
    for table in published {
        state.unpublished.remove(table);
        state.tracked.insert(table);
    }
    Ok(reply(StatusCode::NO_CONTENT, None))
}

fn named(arguments: &Arguments) -> Option<&'static Table> {
    let Arguments::Named(pairs) = arguments else { return None };
    match pairs.as_slice() {
        [(key, Argument::Literal(Literal::Text(name)))] if key == "LogicalName" => crate::schema::table(name),
        _ => None,
    }
}

fn definition(state: &State, table: &Table) -> Json {
    json!({
        "LogicalName": table.name,
        "EntitySetName": table.set,
        "LogicalCollectionName": table.set,
        "PrimaryIdAttribute": table.key,
        "PrimaryNameAttribute": table.title,
        "ObjectTypeCode": table.code,
        "MetadataId": Uuid::new_v5(&Uuid::NAMESPACE_OID, table.name.as_bytes()),
        "SchemaName": table.name,
        "ChangeTrackingEnabled": state.tracked.contains(table.name),
        "CanChangeTrackingBeEnabled": {
            "Value": !FIXED.contains(&table.name),
            "CanBeChanged": false,
            "ManagedPropertyLogicalName": "canchangetrackingbeenabled",
        },
        "IsOptimisticConcurrencyEnabled": true,
    })
}

/// The one form of filter that clients use here: `<property> eq <value>`.
fn meets(definition: &Json, filter: &str) -> bool {
    let Some((name, value)) = filter.split_once(" eq ") else { return false };
    let value = value.trim().trim_matches('\'');
    match definition.get(name.trim()) {
        Some(Json::String(text)) => text == value,
        Some(Json::Bool(flag)) => value.parse() == Ok(*flag),
        Some(Json::Number(number)) => value.parse().ok() == number.as_u64(),
        _ => false,
    }
}

fn select(request: &Request) -> Option<Vec<String>> {
    let (_, value) = request.options().into_iter().find(|(name, _)| name == "$select")?;
    Some(value.split(',').map(|name| name.trim().to_owned()).collect())
}

fn pick(mut definition: Json, selected: Option<&[String]>) -> Json {
    if let (Some(object), Some(selected)) = (definition.as_object_mut(), selected) {
        object.retain(|name, _| selected.contains(name));
    }
    definition
}

fn attributes(table: &Table) -> Vec<Json> {
    table
        .readable()
        .map(|attribute| {
            json!({
                "LogicalName": attribute.name,
                "AttributeType": kind_name(attribute.kind),
                "MaxLength": match attribute.kind { Kind::Text(most) => Json::from(most), _ => Json::Null },
                "IsValidForCreate": attribute.create,
                "IsValidForUpdate": attribute.update,
                "IsValidForRead": attribute.read,
            })
        })
        .collect()
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text(_) | Kind::File => "String",
        Kind::Integer => "Integer",
        Kind::BigInt => "BigInt",
        Kind::Real => "Double",
        Kind::Choice(_) => "Picklist",
        Kind::Boolean => "Boolean",
        Kind::Time => "DateTime",
        Kind::Id => "Uniqueidentifier",
        Kind::Lookup(_) => "Lookup",
    }
}
