// SPDX-License-Identifier: Apache-2.0
// A Modbus device made of npm's modbus-serial, for fieldbus_modbus_serial.py:
//   node fieldbus_modbus_serial.js MODULES tcp PORT | rtu TTY
// MODULES is the node_modules folder; the device's map comes as JSON on standard input. Prints
// "ready" once it serves, and serves until it is killed.
"use strict";
const [modules, kind, where] = process.argv.slice(2);
const { ServerTCP, ServerSerial } = require(`${modules}/modbus-serial`);
const map = JSON.parse(require("fs").readFileSync(0, "utf8"));

// undefined becomes an error of the library's own; exception 2 is what a device says.
function at(table, address, unit) {
    if (unit === map.unit && table[address] !== undefined)
        return table[address];
    const refused = new Error("illegal data address");
    refused.modbusErrorCode = 2;
    throw refused;
}

const vector = {
    getHoldingRegister: (address, unit) => at(map.holding, address, unit),
    getInputRegister: (address, unit) => at(map.input, address, unit),
    getCoil: (address, unit) => at(map.coils, address, unit),
};

const ready = (error) => {
    if (error)
        throw error;
    console.log("ready");
};

if (kind === "tcp") {
    const server = new ServerTCP(vector, { host: "127.0.0.1", port: Number(where), unitID: map.unit });
    server.on("initialized", () => ready());
} else {
    new ServerSerial(vector, { path: where, baudRate: 19200, parity: "none", unitID: map.unit,
        openCallback: ready });
}
