use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The configuration database was backed up (setup.md P8). What Hybridge changes itself it can take back; this is for
/// everything else.
#[derive(Debug)]
pub(super) struct Backup;

static FACTS: Facts = Facts {
    id: "backup",
    title: "A backup of the configuration database",
    rows: &["P8"],
    place: Place::Here,
    role: "whoever runs the backups of SQL Server",
    after: &[],
};

/// How old it may be, in days.
const OLDEST: i32 = 7;

#[async_trait]
impl Step for Backup {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let today = site.now().to_zoned(TimeZone::UTC).date();
        let told = site.native()?.backup;
        // What was set up already needs no fresh backup to stay as it is.
        let changed = site.changed("signing-record").is_some();
        let fresh = told.is_some_and(|date| (today - date).get_days() <= OLDEST);
        if !fresh && !changed {
            return Err(Obstacle::ByHand {
                what: "the configuration does not tell of a backup of MSCRM_CONFIG in the last 7 days"
                    .to_owned(),
                how: format!(
                    "Have MSCRM_CONFIG and the organization's database backed up, and write backup = \"{today}\" under [native]. \
                     Hybridge keeps every old value in its audit log as well."
                ),
            });
        }
        let words = told.map_or_else(
            || "none is told of".to_owned(),
            |date| format!("on {date}, as [native] backup says"),
        );
        let told = json!({ "backup": told });
        Ok(Reading { now: told.clone(), wanted: told, words })
    }
}
