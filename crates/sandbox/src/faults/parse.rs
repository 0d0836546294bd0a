use std::str::FromStr;

use super::Weather;

/// A weather that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeatherError {
    /// No weather or fault has this name.
    #[error(
        "there is no weather {0:?}: write calm, breezy or stormy, or single faults such as \
         throttle=0.05,cut-after=0.01,latency=20..200ms (throttle, server-error, cut-before, cut-after, unauthorized, \
         expire-cursor, lose-notification, duplicate-notification, latency)"
    )]
    Unknown(String),
    /// The value is no probability.
    #[error("{0}={1} is no probability: write a number from 0 to 1")]
    NoProbability(String, String),
    /// The value is no span of time.
    #[error("latency={0} is no span of time: write 20..200ms or 50ms")]
    NoLatency(String),
}

impl FromStr for Weather {
    type Err = WeatherError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut weather = Self::CALM;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None => weather = named(part)?,
                Some((name, value)) => weather.set(name.trim(), value.trim())?,
            }
        }
        Ok(weather)
    }
}

fn named(name: &str) -> Result<Weather, WeatherError> {
    match name {
        "calm" => Ok(Weather::CALM),
        "breezy" => Ok(Weather {
            throttle: 0.02,
            server_error: 0.01,
            cut_before: 0.003,
            cut_after: 0.003,
            latency_from_ms: 5,
            latency_to_ms: 60,
            ..Weather::CALM
        }),
        "stormy" => Ok(Weather {
            throttle: 0.08,
            server_error: 0.05,
            cut_before: 0.02,
            cut_after: 0.03,
            unauthorized: 0.01,
            expire_cursor: 0.01,
            lose_notification: 0.2,
            duplicate_notification: 0.2,
            latency_from_ms: 10,
            latency_to_ms: 250,
        }),
        other => Err(WeatherError::Unknown(other.to_owned())),
    }
}

impl Weather {
    fn set(&mut self, name: &str, value: &str) -> Result<(), WeatherError> {
        let slot = match name {
            "throttle" => &mut self.throttle,
            "server-error" => &mut self.server_error,
            "cut-before" => &mut self.cut_before,
            "cut-after" => &mut self.cut_after,
            "unauthorized" => &mut self.unauthorized,
            "expire-cursor" => &mut self.expire_cursor,
            "lose-notification" => &mut self.lose_notification,
            "duplicate-notification" => &mut self.duplicate_notification,
            "latency" => {
                let wrong = || WeatherError::NoLatency(value.to_owned());
                let digits = value.strip_suffix("ms").ok_or_else(wrong)?;
                let (from, to) = digits.split_once("..").unwrap_or((digits, digits));
                self.latency_from_ms = from.parse().map_err(|_| wrong())?;
                self.latency_to_ms = to.parse().map_err(|_| wrong())?;
                return if self.latency_from_ms <= self.latency_to_ms { Ok(()) } else { Err(wrong()) };
            }
            other => return Err(WeatherError::Unknown(other.to_owned())),
        };
        *slot = value
            .parse()
            .ok()
            .filter(|probability| (0.0..=1.0).contains(probability))
            .ok_or_else(|| WeatherError::NoProbability(name.to_owned(), value.to_owned()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_refined_by_single_faults() {
        let weather: Weather = "breezy,throttle=0.5,latency=20..200ms".parse().unwrap();
        assert!((weather.throttle - 0.5).abs() < f64::EPSILON);
        assert_eq!((weather.latency_from_ms, weather.latency_to_ms), (20, 200));
        assert!(weather.server_error > 0.0);
        assert_eq!("".parse(), Ok(Weather::CALM));
    }

    #[test]
    fn what_can_not_be_understood_is_named() {
        assert_eq!("sunny".parse::<Weather>(), Err(WeatherError::Unknown("sunny".into())));
        assert_eq!(
            "throttle=2".parse::<Weather>(),
            Err(WeatherError::NoProbability("throttle".into(), "2".into()))
        );
        assert_eq!("latency=9..3ms".parse::<Weather>(), Err(WeatherError::NoLatency("9..3ms".into())));
        assert_eq!("latency=soon".parse::<Weather>(), Err(WeatherError::NoLatency("soon".into())));
    }
}
