//! Cookies that the operator names: refusing those whose deletion does harm, or never reaches a client.

use unstick_core::{ConfigError, HeaderBudget};

use crate::{
    Balancer, Lever, PinCookie, Product,
    audit::Audit,
    catalogue,
    decide::Own,
    form, marker, percent,
    plan::{MAX_BYTES, MAX_LINES},
    tally::Row,
};

/// Cookies of ours: what this layer remembers, and what the session layer's is called by default.
const OURS: [&str; 3] = [marker::NAME, percent::BUCKET, "__Host-id"];

/// The operator's cookies with their rows.
pub(crate) fn own(
    balancers: Vec<Balancer>,
    cookies: Vec<PinCookie>,
    audit: Option<&Audit>,
    rows: &mut Vec<Row>,
) -> Result<Vec<Own>, ConfigError> {
    let mut all: Vec<Own> = Vec::new();
    let mut add = |pin: PinCookie, row| {
        if OURS.contains(&pin.name.as_str()) || audit.is_some_and(|audit| audit.is_of(&pin.name)) {
            return Err(ConfigError::new(format!(
                "`{}` is no pin but a cookie of the session or of this layer, and deleting it with every response would lose it: name the balancer's cookie",
                pin.name
            )));
        }
        if all.iter().any(|own| own.pin.name == pin.name) {
            return Err(ConfigError::new(format!(
                "the cookie `{}` is named twice, in `behind` or `expire`: name it once, with all of its domains and paths",
                pin.name
            )));
        }
        all.push(Own::new(pin, row));
        Ok(())
    };
    for balancer in balancers {
        let known = rows.iter_mut().position(|row| row.product.is_some_and(|product| product.name == balancer.product));
        let Some((row, product)) = known.and_then(|row| Some((row, rows[row].product?))) else {
            return Err(ConfigError::new(format!(
                "`{}` is no product of the catalogue: use one of the names in `catalogue::products()`, or `expire(PinCookie::new(..))` alone",
                balancer.product
            )));
        };
        rows[row].is_configured = true;
        rows[row].cookies.extend(balancer.cookies.iter().map(|pin| pin.name.clone()));
        for pin in balancer.cookies {
            of_product(product, &pin)?;
            add(pin, row)?;
        }
    }
    for pin in cookies {
        let known = catalogue::product_of(pin.name.as_bytes()).map_or(pin.name.as_str(), |product| product.name);
        let row = rows.iter().position(|row| row.label == known).unwrap_or_else(|| {
            rows.push(Row::new(&pin.name, None));
            rows.len() - 1
        });
        rows[row].is_configured = true;
        rows[row].cookies.push(pin.name.clone());
        add(pin, row)?;
    }
    fit(&all)?;
    Ok(all)
}

/// A product that goes by the application's cookie is not named with that cookie, which is the session's as a rule.
fn of_product(product: &Product, pin: &PinCookie) -> Result<(), ConfigError> {
    let is_its_own = catalogue::product_of(pin.name.as_bytes()) == Some(product);
    match product.lever {
        Lever::RenameSessionCookie if !is_its_own => Err(ConfigError::new(format!(
            "`{}` cannot be deleted for `{}`, which pins by a cookie that the application sets itself: deleting the session's ends every session; name the product without \
             a cookie, and end the pin by giving the application's cookie another name",
            pin.name, product.name
        ))),
        // Rows without a cookie say nothing of its attributes.
        _ if product.attributes.is_empty() => Err(ConfigError::new(format!(
            "`{}` cannot be a cookie of `{}`, which sets none: leave the cookie out, or name the product that sets it",
            pin.name, product.name
        ))),
        _ => Ok(()),
    }
}

/// What is deleted with every response must fit in one: what does not would be left out of each.
fn fit(all: &[Own]) -> Result<(), ConfigError> {
    let lines = all.iter().flat_map(|own| form::configured(&own.pin, None)).map(|deletion| deletion.line().len());
    let (lines, bytes) = lines.fold((0, 0), |(lines, bytes), line| (lines + 1, bytes + HeaderBudget::line("set-cookie".len(), line)));
    if lines > MAX_LINES || bytes > MAX_BYTES {
        return Err(ConfigError::new(format!(
            "the cookies of `behind` and `expire`, with their domains and paths, need {lines} lines and {bytes} bytes with every response, and at most {MAX_LINES} lines and \
             {MAX_BYTES} bytes are sent: name fewer, or fewer domains and paths"
        )));
    }
    Ok(())
}
