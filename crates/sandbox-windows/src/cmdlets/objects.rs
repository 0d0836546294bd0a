//! Cmdlets that work on the objects of a pipeline.

use super::cmdlet;
use crate::run::{
    Run,
    call::{Call, Cmdlet},
    convert,
    flow::{Flow, Ran, unknown},
    operators,
    value::{Names, Value},
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("ForEach-Object", Shell, "Process | Begin End MemberName InputObject", for_each),
    cmdlet!(
        "Where-Object",
        Shell,
        "FilterScript Value | Property EQ? NE? Like? Match? In? Contains? GT? LT? InputObject",
        where_object
    ),
    cmdlet!("Select-Object", Shell, "Property | First Last Skip ExpandProperty Unique? InputObject", select),
    cmdlet!("Sort-Object", Shell, "Property | Descending? Unique? InputObject", sort),
    cmdlet!("Group-Object", Shell, "Property | AsHashTable? InputObject", group),
    cmdlet!("Measure-Object", Shell, "Property | Sum? Maximum? Minimum? Average? InputObject", measure),
    cmdlet!(
        "Add-Member",
        Shell,
        "MemberType Name Value | NotePropertyName NotePropertyValue NotePropertyMembers InputObject Force? PassThru?",
        add_member
    ),
    cmdlet!("Compare-Object", Shell, "ReferenceObject DifferenceObject", compare),
    cmdlet!("ConvertTo-Json", Shell, "InputObject | Depth Compress?", to_json),
    cmdlet!("ConvertFrom-Json", Shell, "InputObject", from_json),
    cmdlet!("New-Object", Shell, "TypeName ArgumentList | Property", new_object),
];

/// A property by name, or what a block makes of the object.
fn pick(run: &mut Run<'_>, of: &Value, property: &Value) -> Ran {
    match property {
        Value::Block(block) => {
            run.set_variable("_", of.clone())?;
            run.invoke_here(block).map(Value::gathered)
        }
        Value::Hash(table) => {
            let inner = table.borrow().get("Expression").or(table.borrow().get("E")).cloned();
            pick(run, of, &inner.unwrap_or(Value::Null))
        }
        name => member_or_null(run, of, &name.show()),
    }
}

/// A member; null where a custom object does not have it, in strict mode as well.
fn member_or_null(run: &mut Run<'_>, of: &Value, name: &str) -> Ran {
    let strict = std::mem::replace(&mut run.strict, false);
    let value = run.member(of, name);
    run.strict = strict;
    value
}

fn for_each(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    if let Some(Value::Block(block)) = call.get("Begin") {
        out.extend(run.invoke_here(block)?);
    }
    let outer = run.raw_variable("_").cloned();
    for value in call.input_or("InputObject") {
        run.set_variable("_", value.clone())?;
        match (call.get("Process"), call.text("MemberName")) {
            (Some(Value::Block(block)), _) => match run.invoke_here(block) {
                Err(Flow::Continue) => {}
                other => out.extend(other?),
            },
            (Some(Value::Text(name)), None) => out.extend(run.member(&value, name)?.unrolled()),
            (None, Some(name)) => out.extend(run.member(&value, &name)?.unrolled()),
            _ => return unknown(call.line, "ForEach-Object without a block or a member's name"),
        }
    }
    run.set_variable("_", outer.unwrap_or(Value::Null))?;
    if let Some(Value::Block(block)) = call.get("End") {
        out.extend(run.invoke_here(block)?);
    }
    Ok(out)
}

fn where_object(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    let outer = run.raw_variable("_").cloned();
    for value in call.input_or("InputObject") {
        run.set_variable("_", value.clone())?;
        let keeps = match call.get("FilterScript") {
            Some(Value::Block(block)) => Value::gathered(run.invoke_here(block)?).truthy(),
            other => {
                let name = call.text("Property").or(other.map(Value::show)).unwrap_or_default();
                let own = member_or_null(run, &value, &name)?;
                let wanted = call.get("Value").cloned().unwrap_or(Value::Null);
                let operator = ["EQ", "NE", "Like", "Match", "In", "Contains", "GT", "LT"]
                    .into_iter()
                    .find(|operator| call.on(operator));
                match operator {
                    Some(operator) => {
                        let operator = format!("-{}", operator.to_ascii_lowercase());
                        operators::binary(call.line, &operator, &own, &wanted)?.truthy()
                    }
                    None => own.truthy(),
                }
            }
        };
        if keeps {
            out.push(value);
        }
    }
    run.set_variable("_", outer.unwrap_or(Value::Null))?;
    Ok(out)
}

fn select(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let count = |name: &str| call.number(name).and_then(|number| usize::try_from(number).ok());
    let mut values = call.input_or("InputObject");
    values.drain(..count("Skip").unwrap_or(0).min(values.len()));
    if let Some(first) = count("First") {
        values.truncate(first);
    }
    if let Some(last) = count("Last") {
        values.drain(..values.len().saturating_sub(last));
    }
    if let Some(name) = call.text("ExpandProperty") {
        let mut out = Vec::new();
        for value in &values {
            out.extend(run.member(value, &name)?.elements());
        }
        values = out;
    } else if let Some(properties) = call.get("Property") {
        let mut out = Vec::new();
        for value in &values {
            let mut names = Names::default();
            for property in properties.elements() {
                let name = match &property {
                    Value::Hash(table) => {
                        let table = table.borrow();
                        table.get("Name").or(table.get("N")).map(Value::show).unwrap_or_default()
                    }
                    other => other.show(),
                };
                if name.contains('*') {
                    return unknown(call.line, "a wildcard in Select-Object");
                }
                names.set(&name, pick(run, value, &property)?);
            }
            out.push(Value::custom(names));
        }
        values = out;
    }
    if call.on("Unique") {
        let mut kept: Vec<Value> = Vec::new();
        for value in values {
            if !kept.iter().any(|one| operators::equal(one, &value, true)) {
                kept.push(value);
            }
        }
        values = kept;
    }
    Ok(values)
}

fn sort(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let properties = call.get("Property").map(Value::elements).unwrap_or_default();
    let mut keyed = Vec::new();
    for value in call.input_or("InputObject") {
        let mut keys = Vec::new();
        for property in &properties {
            keys.push(pick(run, &value, property)?);
        }
        if properties.is_empty() {
            keys.push(value.clone());
        }
        keyed.push((keys, value));
    }
    let order = |left: &[Value], right: &[Value]| {
        left.iter()
            .zip(right)
            .map(|(left, right)| operators::order(left, right, false).unwrap_or(std::cmp::Ordering::Equal))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    keyed.sort_by(|left, right| order(&left.0, &right.0));
    if call.on("Descending") {
        keyed.sort_by(|left, right| order(&right.0, &left.0));
    }
    if call.on("Unique") {
        keyed.dedup_by(|left, right| order(&left.0, &right.0).is_eq());
    }
    Ok(keyed.into_iter().map(|(_, value)| value).collect())
}

fn group(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let properties = call.get("Property").map(Value::elements).unwrap_or_default();
    let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
    for value in call.input_or("InputObject") {
        let mut names = Vec::new();
        for property in &properties {
            names.push(pick(run, &value, property)?.show());
        }
        let name = if properties.is_empty() { value.show() } else { names.join(", ") };
        match groups.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, members)) => members.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    if call.on("AsHashTable") {
        let names = groups.into_iter().map(|(name, members)| (name, Value::array(members))).collect();
        return Ok(vec![convert::table(Names(names))]);
    }
    let group = |(name, members): (String, Vec<Value>)| {
        let count = Value::int(members.len());
        Value::known(
            "Microsoft.PowerShell.Commands.GroupInfo",
            [
                ("Name", Value::text(name)),
                ("Count", count),
                ("Group", Value::List(std::rc::Rc::new(members.into()))),
            ],
        )
    };
    Ok(groups.into_iter().map(group).collect())
}

fn measure(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut values = call.input_or("InputObject");
    if let Some(property) = call.get("Property") {
        let picked: Ran<Vec<Value>> = values.iter().map(|value| pick(run, value, property)).collect();
        values = picked?;
    }
    let least = |want: std::cmp::Ordering| {
        let best = values.iter().cloned().reduce(|best, value| {
            if operators::order(&value, &best, false) == Some(want) { value } else { best }
        });
        best.unwrap_or(Value::Null)
    };
    let sum: f64 = values.iter().filter_map(Value::number).sum();
    Ok(vec![Value::known(
        "Microsoft.PowerShell.Commands.GenericMeasureInfo",
        [
            ("Count", Value::int(values.len())),
            ("Sum", Value::Double(sum)),
            ("Maximum", least(std::cmp::Ordering::Greater)),
            ("Minimum", least(std::cmp::Ordering::Less)),
        ],
    )])
}

fn add_member(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let targets = call.input_or("InputObject");
    let mut members: Vec<(String, Value)> = Vec::new();
    if let Some(Value::Hash(table)) = call.get("NotePropertyMembers").or(call.get("MemberType")) {
        members.clone_from(&table.borrow().0);
    } else if let Some(name) = call.text("NotePropertyName") {
        members.push((name, call.get("NotePropertyValue").cloned().unwrap_or(Value::Null)));
    } else {
        let kind = call.text("MemberType").unwrap_or_default();
        if !kind.eq_ignore_ascii_case("NoteProperty") {
            return unknown(call.line, format!("a member of type {kind}"));
        }
        let name = call.text("Name").unwrap_or_default();
        members.push((name, call.get("Value").cloned().unwrap_or(Value::Null)));
    }
    for target in &targets {
        let Value::Object(object) = target else {
            return unknown(call.line, format!("Add-Member to {}", target.class()));
        };
        for (name, value) in &members {
            object.borrow_mut().properties.set(name, value.clone());
        }
    }
    Ok(if call.on("PassThru") { targets } else { Vec::new() })
}

fn compare(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let list = |name: &str| call.get(name).map(Value::elements).unwrap_or_default();
    let (left, right) = (list("ReferenceObject"), list("DifferenceObject"));
    let only = |own: &[Value], other: &[Value], side: &str| -> Vec<Value> {
        let missing = own.iter().filter(|one| !other.iter().any(|two| operators::equal(one, two, false)));
        missing
            .map(|one| {
                Value::custom(Names(vec![
                    ("InputObject".to_owned(), one.clone()),
                    ("SideIndicator".to_owned(), Value::text(side)),
                ]))
            })
            .collect()
    };
    let mut out = only(&right, &left, "=>");
    out.extend(only(&left, &right, "<="));
    Ok(out)
}

fn to_json(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let value = match (call.get("InputObject"), &call.input) {
        (Some(value), _) => value.clone(),
        (None, Some(input)) => Value::gathered(input.clone()),
        (None, None) => Value::Null,
    };
    let json = convert::to_json(&value, call.number("Depth").unwrap_or(2))?;
    let text = if call.on("Compress") {
        json.to_string()
    } else {
        serde_json::to_string_pretty(&json).unwrap_or_default()
    };
    let text =
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
    Ok(vec![Value::text(text)])
}

fn from_json(_: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let text: Vec<String> = call.input_or("InputObject").iter().map(Value::show).collect();
    match serde_json::from_str(&text.join("\n")) {
        // An array goes on as one object, as in 5.1.
        Ok(json) => Ok(vec![convert::from_json(&json)]),
        Err(error) => {
            crate::run::flow::failed("System.ArgumentException", format!("Invalid JSON primitive: {error}."))
        }
    }
}

fn new_object(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let class = call.text("TypeName").unwrap_or_default();
    let arguments = match call.get("ArgumentList") {
        // The list of arguments is an array already; a single array of bytes is one argument.
        Some(Value::Bytes(bytes)) => vec![Value::Bytes(bytes.clone())],
        Some(other) => other.elements(),
        None => Vec::new(),
    };
    let made = run.construct(call.line, &class, &arguments)?;
    if let Some(Value::Hash(table)) = call.get("Property")
        && let Value::Object(object) = &made
    {
        for (name, value) in &table.borrow().0 {
            object.borrow_mut().properties.set(name, value.clone());
        }
    }
    Ok(vec![made])
}
