-- smtplib.email.dkim: DKIM signatures (RFC 6376, 8301, 8463), made by
-- m:sign_dkim{} and checked by dkim.verify.

local core = require "smtplib.core"
local sign = require "smtplib.email.dkim.sign"
local verify = require "smtplib.email.dkim.verify"

local dkim = {}

--- Check the signatures of a message.
---@param raw string|userdata|function # its bytes, a Message, a source of chunks, or an open file
---@param opts table # key = function(name): the TXT record of that name as a string (or an
--- array of its strings), nil when there is none, nil and an error when it could not be had;
--- time = when, default now
---@return boolean|nil ok # at least one signature is good; nil when the message could not be read
---@return table results # one for each DKIM-Signature field, from the top: ok, reason, temporary,
--- domain, selector, identity, algorithm, canonicalization, headers, time, expires, length, testing
function dkim.verify(raw, opts)
  return verify.verify(raw, opts)
end

--- Sign the message, in place: fields of Date, Message-ID and MIME-Version are
--- added when there are none, then one DKIM-Signature for each table of options,
--- before all other fields. The body is read once.
---@param opts table # domain, selector, key, key_password, algorithm, canonicalization,
--- headers, identity, time, expire_in; or an array of such tables
---@return userdata|nil message
---@return table|nil err
function core.message.methods:sign_dkim(opts)
  return sign.sign(self, opts)
end

return dkim
