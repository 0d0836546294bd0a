//! Invented names. Domains are under `example.com`, `example.org`, `example.net` and `.test`, which belong
//! to nobody (RFC 2606, RFC 6761).

pub(super) const FIRST: &[&str] = &[
    "Anna", "Björn", "Carla", "Dmitri", "Elif", "Frank", "Greta", "Hassan", "Ines", "Jonas", "Katarzyna", "Luis",
    "Maja", "Nils", "Olga", "Pavel", "Quirin", "Rosa", "Søren", "Tamara", "Uwe", "Vera", "Walter", "Xenia", "Yusuf", "Zoë",
];

pub(super) const LAST: &[&str] = &[
    "Berg", "Castellano", "Dahl", "Eriksson", "Fischer", "Grünwald", "Holm", "Ivanova", "Jansen", "Kowalski", "Lindhagen",
    "Moreau", "Nakamura", "Ortega", "Petrov", "Quist", "Rossi", "Schäfer", "Tanaka", "Ueland", "Vogel", "Weiß", "Yilmaz",
];

pub(super) const COMPANIES: &[&str] = &[
    "Alpine Orchids", "Bluewater Farms", "Citrus & Sons", "Delta Growers", "Evergreen Nurseries", "Fjord Tomatoes",
    "Gardens of Ghent", "Harvest Union", "Iberia Berries", "Jade Herbs", "Kestrel Vineyards", "Lowland Peppers",
    "Mistral Roses", "Northern Lettuce", "Oasis Melons", "Polder Plants", "Quarry Mushrooms", "Riverside Seeds",
];

pub(super) const TOPICS: &[&str] = &[
    "Quote for the new glasshouse", "Humidity sensors in section 4", "Delivery of the vents", "Service contract 2027",
    "Question about the invoice", "CO₂ dosing at night", "Replacement of the boiler control", "Visit next week",
    "Alarm on Sunday", "Training for the new operators", "Drawings, revision C", "Spare parts list",
];

pub(super) const NEWSLETTERS: &[&str] = &[
    "This week in horticulture", "Your weekly market prices", "Webinar: growing under LED", "News from the trade fair",
];

pub(super) const SENTENCES: &[&str] = &[
    "Thank you for the quick answer.", "Could you have a look at this before Thursday?",
    "We measured 31 °C in the north bay again.", "Please find the details below.",
    "The colleagues on site are waiting for your word.", "That would suit us well.",
    "Let me know if you need anything else.", "The order number is on the attached sheet.",
];
