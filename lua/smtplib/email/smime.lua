-- smtplib.email.smime: S/MIME messages (RFC 8551) proved and opened. Making
-- them is done by the methods sign_smime and encrypt_smime of Message.
--
-- What is returned is made of the very bytes that were signed or decrypted, and
-- of nothing around them.

local core = require "smtplib.core"
local email = require "smtplib.email"
local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"
local options = require "smtplib.email.smime.options"
local raw = require "smtplib.email.smime.raw"
local utils = require "smtplib.email.utils"

local message = core.message

local smime = {}

---@class smtplib.smime.trust
---@field cafile? string          PEM file of trusted authorities (default: the system's)
---@field cadata? string          the same as PEM text
---@field certs? string|string[]  PEM: certificates that the signature may lack
---@field from? string            compare this address, not the message's own From: for what was encrypted
---@field time? number            check certificates as of then (seconds since the epoch)
---@field verify? boolean         false: the signature alone, whoever made it

---@class smtplib.smime.signer
---@field subject string       of the certificate
---@field issuer string
---@field serial string        hexadecimal
---@field fingerprint string   SHA-256 of the certificate, hexadecimal
---@field emails string[]      the addresses that it was issued for
---@field from_matches boolean every address of From (or of the option from) is among them
---@field digest string        "SHA256"
---@field not_before number    seconds since the epoch
---@field not_after number
---@field signing_time number? as the signer says

local verifying = {
  cafile = "string", cadata = "string", certs = "string|table", from = "string", time = "number", verify = "boolean",
}
local decrypting = { cert = "string", key = "string", certfile = "string", keyfile = "string", key_password = "string" }

local function fail(sentence)
  return nil, errors.from_core("smime", sentence)
end

-- The bytes of a message as they went over the wire.
local function bytes_of(func, m)
  if message.is(m) then return m:as_bytes { eol = "\r\n" } end
  if type(m) ~= "string" then
    misuse.argument("message", func, "Message or string expected, got " .. type(m))
  end
  return raw.canonical(m)
end

local function is_cms(kind, name)
  return kind == "application/pkcs7-" .. name or kind == "application/x-pkcs7-" .. name
end

-- Signature, and the bytes that it covers when they stand beside it.
local function take_apart(whole)
  local kind, value = raw.type(whole)
  if is_cms(kind, "mime") then
    local smime_type = (message.param(value, "smime-type") or "signed-data"):lower()
    if smime_type:match("enveloped") then return fail("the message is encrypted: decrypt it first") end
    return raw.decode(whole)
  end
  if kind ~= "multipart/signed" then return fail(("the message is not signed (%s)"):format(kind)) end
  local list = raw.parts(whole)
  if not list or #list ~= 2 then return fail("multipart/signed without two parts") end
  local last = raw.entity(list[2])
  if not is_cms(raw.type(last), "signature") then
    return fail(("the signature is not S/MIME (%s)"):format((raw.type(last))))
  end
  local der, err = raw.decode(last)
  if not der then return nil, err end
  return der, list[1]
end

-- An address as it is compared: a domain has no case.
local function folded(address)
  local localpart, domain = address:match("^(.*)@([^@]*)$")
  return localpart and localpart .. "@" .. domain:lower() or address
end

-- Whether every address of the one field is the certificate's.
local function matches(froms, emails)
  local known = {}
  for _, address in ipairs(emails) do known[folded(address)] = true end
  local list = froms and #froms == 1 and utils.getaddresses(froms[1])
  for _, mailbox in ipairs(list or {}) do
    if not known[folded(mailbox.addr)] then return false end
  end
  return list and #list > 0 or false
end

--- The content of a signed message, and who signed it; nil and an error when
--- a signature does not match or a signer is not trusted. Whether the signer
--- is the author is for the caller to decide: see from_matches. Revocation is
--- not looked up; MD5, SHA-1 and RSA below 2048 bits prove nothing.
---@param m userdata|string # a Message, or its bytes
---@param opts smtplib.smime.trust|nil
---@return userdata|nil content
---@return smtplib.smime.signer[]|table signers_or_err
function smime.verify(m, opts)
  opts = opts or {}
  options.check("verify", opts, verifying)
  local bytes, err = bytes_of("verify", m)
  if not bytes then return nil, err end
  local whole = raw.entity(bytes)
  local der, content = take_apart(whole)
  if not der then return nil, content end
  local carried, signers, sentence = core.smime.verify(der, content, {
    cafile = opts.cafile, cadata = opts.cadata, time = opts.time, verify = opts.verify ~= false,
    certs = opts.certs and table.concat(options.texts(opts, "certs"), "\n"),
  })
  if not carried then return nil, errors.from_core(signers, sentence) end
  local froms = opts.from and { opts.from } or whole.fields.from
  for _, signer in ipairs(signers) do signer.from_matches = matches(froms, signer.emails) end
  return email.message_from_string(content or carried), signers
end

--- The message inside an encrypted one. It proves nothing about its sender, nor
--- (but with GCM) that nobody changed it on the way: verify it if it is signed,
--- and load nothing from the net that it names before. It has the fields that
--- were encrypted; From, To and Subject are in `m`.
---@param m userdata|string # a Message, or its bytes
---@param opts table # cert, key (PEM), or certfile, keyfile; key_password
---@return userdata|nil content
---@return table|nil err
function smime.decrypt(m, opts)
  options.check("decrypt", opts, decrypting)
  local cert, key = options.identity("decrypt", opts)
  if not cert then return nil, key end
  local bytes, err = bytes_of("decrypt", m)
  if not bytes then return nil, err end
  local whole = raw.entity(bytes)
  local kind = raw.type(whole)
  if not is_cms(kind, "mime") then return fail(("the message is not encrypted (%s)"):format(kind)) end
  local der, content, name, sentence
  der, err = raw.decode(whole)
  if not der then return nil, err end
  content, name, sentence = core.smime.decrypt(der, cert, key, opts.key_password)
  if not content then return nil, errors.from_core(name, sentence) end
  return email.message_from_string(content)
end

return smime
