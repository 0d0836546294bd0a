// dynamics-web-api: reads in a batch, and a query so long that the library makes a batch of it by itself.
"use strict";

const { report } = require("./sandbox.cjs");
const { connect } = require("./organization.cjs");

report(async (sandbox) => {
    const { api } = await connect(sandbox);
    await api.create({ collection: "contacts", data: { firstname: "Kit", lastname: "Readsson" } });
    const query = { collection: "contacts", select: ["firstname"], filter: "lastname eq 'Readsson'" };
    api.startBatch();
    api.retrieveMultiple(query);
    api.callFunction("WhoAmI");
    const [found, whoAmI] = await api.executeBatch();
    const others = Array.from({ length: 60 }, (_, number) => `lastname eq 'Nobody with the number ${number}'`);
    const long = await api.retrieveMultiple({ ...query, filter: [query.filter, ...others].join(" or ") });
    return {
        found: found.value.map((contact) => contact.firstname),
        who_am_i: Boolean(whoAmI.UserId),
        found_by_long_query: long.value.map((contact) => contact.firstname),
    };
});
