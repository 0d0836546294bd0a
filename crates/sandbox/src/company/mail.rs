//! What is written: the kinds of mail that a company gets, in believable shares.

use super::{
    Body, Bytes, Company, Dice, EmailAddress, HeaderField, Mail, MailAttachment,
    names::{COMPANIES, FIRST, LAST, NEWSLETTERS, SENTENCES, TOPICS},
    people::{Colleague, ascii},
};

/// A kind of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A customer answers an email that was sent from Dynamics.
    Answer,
    /// A customer writes on his own.
    FromCustomer,
    /// Somebody unknown writes.
    FromStranger,
    /// A newsletter.
    Newsletter,
    /// A colleague writes.
    Internal,
    /// A customer writes to several colleagues at once.
    ToSeveral,
    /// A customer writes with attachments and an inline image.
    WithAttachments,
    /// A customer's old program writes in an odd charset, as raw MIME.
    OddCharset,
    /// A customer invites to a meeting.
    MeetingRequest,
}

/// Of a hundred mails, how many are of each kind.
const SHARES: &[(Kind, usize)] = &[
    (Kind::Answer, 24),
    (Kind::FromCustomer, 20),
    (Kind::FromStranger, 12),
    (Kind::Newsletter, 10),
    (Kind::Internal, 8),
    (Kind::ToSeveral, 10),
    (Kind::WithAttachments, 10),
    (Kind::OddCharset, 3),
    (Kind::MeetingRequest, 3),
];

pub(super) fn draw_kind(dice: &Dice) -> Kind {
    let mut throw = dice.below(100);
    for (kind, share) in SHARES {
        if throw < *share {
            return *kind;
        }
        throw -= share;
    }
    Kind::FromCustomer
}

impl Company {
    /// A mail of a kind.
    pub fn compose_a(&mut self, kind: Kind) -> Mail {
        let mut mail = Mail {
            from: self.customer(),
            to: vec![self.colleague()],
            subject: self.topic(),
            body: self.body(),
            ..Mail::default()
        };
        match kind {
            Kind::Answer => self.make_answer(&mut mail),
            Kind::FromCustomer => {}
            Kind::FromStranger => mail.from = self.stranger(),
            Kind::Newsletter => {
                mail.from = address("Greenhouse Gazette", "news@gazette.example.net");
                self.dice.pick(NEWSLETTERS).copied().unwrap_or("News").clone_into(&mut mail.subject);
            }
            Kind::Internal => mail.from = self.colleague(),
            Kind::ToSeveral => {
                mail.to.push(self.colleague());
                mail.cc.push(self.colleague());
                mail.to.dedup_by(|left, right| left.address == right.address);
                mail.cc.retain(|copy| mail.to.iter().all(|to| to.address != copy.address));
            }
            Kind::WithAttachments => self.attach(&mut mail),
            Kind::OddCharset => mail.mime = Some(latin_mime(&mail)),
            Kind::MeetingRequest => mail.mime = Some(invitation(&mail, self.written)),
        }
        mail
    }

    fn make_answer(&self, mail: &mut Mail) {
        let Some(past) = self.past.get(self.dice.below(self.past.len())) else { return };
        let (Some(colleague), Some(customer)) =
            (self.colleagues.get(past.colleague), self.customers.get(past.customer))
        else {
            return;
        };
        mail.from = address(&customer.name, &customer.address);
        mail.to = vec![to_colleague(colleague)];
        mail.subject = format!("RE: {}", past.subject);
        mail.headers = vec![
            HeaderField { name: "In-Reply-To".to_owned(), value: past.message_id.clone() },
            HeaderField { name: "References".to_owned(), value: past.message_id.clone() },
        ];
    }

    fn attach(&self, mail: &mut Mail) {
        let logo = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 0];
        mail.body = Body::html(format!("<p>{}</p><img src=\"cid:logo\">", self.sentence()));
        mail.attachments.push(MailAttachment {
            name: "logo.png".to_owned(),
            content_type: "image/png".to_owned(),
            content_id: Some("logo".to_owned()),
            content: logo.into(),
        });
        // Most attachments are small; some are not, and one in fifty is larger than Dynamics takes.
        let kilobytes = match self.dice.below(50) {
            0 => 6_000,
            1..=3 => 1_500,
            4..=15 => 200,
            _ => 12,
        };
        mail.attachments.push(MailAttachment {
            name: format!("Sheet {}.pdf", self.written),
            content_type: "application/pdf".to_owned(),
            content_id: None,
            content: vec![b'%'; kilobytes * 1024].into(),
        });
        if self.dice.chance(0.1) {
            mail.attachments.push(MailAttachment {
                name: "setup.exe".to_owned(),
                content_type: "application/octet-stream".to_owned(),
                content_id: None,
                content: Bytes::from_static(b"MZ"),
            });
        }
    }

    fn colleague(&self) -> EmailAddress {
        self.dice.pick(&self.colleagues).map_or_else(|| address("", "nobody@lindhagen.test"), to_colleague)
    }

    fn customer(&self) -> EmailAddress {
        let customer = self.dice.pick(&self.customers);
        customer.map_or_else(|| self.stranger(), |customer| address(&customer.name, &customer.address))
    }

    fn stranger(&self) -> EmailAddress {
        let first = self.dice.pick(FIRST).copied().unwrap_or("Kim");
        let last = self.dice.pick(LAST).copied().unwrap_or("Doe");
        let company = self.dice.pick(COMPANIES).copied().unwrap_or("Somewhere");
        let number = self.dice.below(10_000);
        address(
            &format!("{first} {last}"),
            &format!("{}{number}@{}.example.org", ascii(first), ascii(company)),
        )
    }

    fn topic(&self) -> String {
        self.dice.pick(TOPICS).copied().unwrap_or("Hello").to_owned()
    }

    fn sentence(&self) -> &'static str {
        self.dice.pick(SENTENCES).copied().unwrap_or("Hello.")
    }

    fn body(&self) -> Body {
        let paragraphs: Vec<String> = (0..=self.dice.below(4))
            .map(|_| format!("<p>{} {}</p>", self.sentence(), self.sentence()))
            .collect();
        Body::html(format!("<html><body>{}</body></html>", paragraphs.concat()))
    }
}

fn to_colleague(colleague: &Colleague) -> EmailAddress {
    address(&colleague.name, &colleague.address)
}

fn address(name: &str, address: &str) -> EmailAddress {
    EmailAddress { name: name.to_owned(), address: address.to_owned() }
}

/// A plain message in ISO 8859-1, quoted-printable, with an encoded subject.
fn latin_mime(mail: &Mail) -> Bytes {
    let to = mail.to.first().map(|to| to.address.as_str()).unwrap_or_default();
    format!(
        "From: <{}>\r\nTo: <{to}>\r\nSubject: =?ISO-8859-1?Q?Gr=FC=DFe_aus_dem_Gew=E4chshaus?=\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Sch=F6ne Gr=FC=DFe, und die Bl=E4tter sind noch gr=FCn.\r\n",
        mail.from.address
    )
    .into()
}

/// A meeting request.
fn invitation(mail: &Mail, number: u64) -> Bytes {
    let to = mail.to.first().map(|to| to.address.as_str()).unwrap_or_default();
    let from = &mail.from.address;
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: Meeting: {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n\
         BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:{number}@example.com\r\n\
         DTSTAMP:20261123T080000Z\r\nDTSTART:20261201T090000Z\r\nDTEND:20261201T100000Z\r\nSUMMARY:{}\r\n\
         ORGANIZER:mailto:{from}\r\nATTENDEE:mailto:{to}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        mail.subject, mail.subject
    )
    .into()
}
