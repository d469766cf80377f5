/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/broker.h"

/* MQTT 5.0 section 2.4, and below 0x10 the CONNACK codes of MQTT 3.1.1 section 3.2.2.3, which share
 * no number with what a broker may answer to CONNECT or PUBLISH in MQTT 5. */
const char *broker_reason_text(uint8_t reason)
{
    switch (reason) {
    case 0x00: return "no reason given";
    case 0x01: return "unacceptable protocol version";
    case 0x02: return "client identifier rejected";
    case 0x03: return "server unavailable";
    case 0x04: return "bad user name or password";
    case 0x05: return "not authorized";
    case 0x10: return "no matching subscribers";
    case 0x80: return "unspecified error";
    case 0x81: return "malformed packet";
    case 0x82: return "protocol error";
    case 0x83: return "implementation specific error";
    case 0x84: return "unsupported protocol version";
    case 0x85: return "client identifier not valid";
    case 0x86: return "bad user name or password";
    case 0x87: return "not authorized";
    case 0x88: return "server unavailable";
    case 0x89: return "server busy";
    case 0x8a: return "banned";
    case 0x8b: return "server shutting down";
    case 0x8c: return "bad authentication method";
    case 0x8d: return "keep alive timeout";
    case 0x8e: return "session taken over by another client of the same identifier";
    case 0x90: return "topic name invalid";
    case 0x91: return "packet identifier in use";
    case 0x93: return "receive maximum exceeded";
    case 0x94: return "topic alias invalid";
    case 0x95: return "packet too large";
    case 0x96: return "message rate too high";
    case 0x97: return "quota exceeded";
    case 0x98: return "administrative action";
    case 0x99: return "payload format invalid";
    case 0x9a: return "retain not supported";
    case 0x9b: return "QoS not supported";
    case 0x9c: return "use another server";
    case 0x9d: return "server moved";
    case 0x9f: return "connection rate exceeded";
    default: return "unknown reason";
    }
}
