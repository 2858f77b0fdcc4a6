-- Making S/MIME messages: a message signed, a message encrypted, in place. The
-- message is changed last of all, when nothing can fail any more.

local core = require "smtplib.core"
local entity = require "smtplib.email.smime.entity"
local errors = require "smtplib.errors"
local fields = require "smtplib.email.fields"
local options = require "smtplib.email.smime.options"
local output = require "smtplib.email.output"
local parts = require "smtplib.email.parts"
local spool = require "smtplib.email.smime.spool"
local misuse = require "smtplib.misuse"

local message = core.message

local compose = {}

---@class smtplib.smime.signing
---@field cert? string            PEM: certificate of the sender, perhaps with its chain
---@field key? string             PEM; default: in cert
---@field certfile? string        path, instead of cert
---@field keyfile? string         path, instead of key
---@field key_password? string
---@field chain? string|string[]  PEM: certificates between cert and an authority
---@field opaque? boolean         the signature around the content, unreadable for who knows no S/MIME

---@class smtplib.smime.encrypting
---@field certs? string|string[]    PEM: certificates of all who shall read it
---@field certfile? string|string[] paths of such
---@field cipher? string            "aes-256-cbc" (default), "aes-128-cbc", "aes-256-gcm", …

local signing = {
  cert = "string", key = "string", certfile = "string", keyfile = "string", key_password = "string",
  chain = "string|table", opaque = "boolean",
}
local encrypting = { certs = "string|table", certfile = "string|table", cipher = "string" }

local function check_message(func, m)
  if not message.is(m) then misuse.argument("message", func, "Message expected, got " .. type(m)) end
end

local function new_signer(opts)
  local cert, key = options.identity("sign_smime", opts)
  if not cert then return nil, key end
  local signer, name, sentence = core.smime.signer(cert, key, opts.key_password, opts.opaque)
  if not signer then return nil, errors.from_core(name, sentence) end
  for _, pem in ipairs(options.texts(opts, "chain")) do
    local ok
    ok, name, sentence = signer:add(pem)
    if not ok then return nil, errors.from_core(name, sentence) end
  end
  return signer
end

-- What the writer gives for `wrapper`, a multipart with one part, without what
-- is around that part: its bytes as they will be sent.
local function part_of(source, boundary)
  local opening, closing = "\r\n--" .. boundary .. "\r\n", "\r\n--" .. boundary .. "--\r\n"
  local held, begun = "", false
  return function()
    while true do
      local chunk, err = source()
      if not chunk then return nil, err or not begun and errors.from_core("state") or nil end
      held = held .. chunk
      local start = not begun and held:find(opening, 1, true)
      if start then
        begun, held = true, held:sub(start + #opening)
      end
      if begun and #held > #closing then
        local ready = held:sub(1, -#closing - 1)
        held = held:sub(-#closing)
        return ready
      end
    end
  end
end

local function feed(source, take)
  while true do
    local bytes, err = source()
    if not bytes then return err == nil, err end
    local ok, name, sentence = take(bytes)
    if not ok then return false, errors.from_core(name, sentence) end
  end
end

-- All that `maker` (an encryptor, a signer) makes of an entity.
local function wrap(first, maker, is_secret)
  local source, err = output.source(first)
  if not source then return nil, err end
  local made = spool.new(is_secret)
  local ok
  ok, err = feed(source, function(bytes)
    local piece, name, sentence = maker:update(bytes)
    if not piece then return nil, name, sentence end
    return made:add(piece)
  end)
  if not ok then return nil, err end
  local rest, content, name, sentence
  rest, name, sentence = maker:final()
  if rest then rest, name, sentence = made:add(rest) end
  if rest then content, name, sentence = made:content() end
  if not content then return nil, errors.from_core(name, sentence) end
  return content
end

local signed_type = 'multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256'

-- The signature over `first`, which the writer writes the same way later on.
local function signature_of(first, signer)
  local wrapper = message.new()
  local ok, name, sentence = message.add(wrapper, "Content-Type", signed_type)
  if ok then ok, name, sentence = parts.set(wrapper, { first }) end
  if not ok then return nil, errors.from_core(name, sentence) end
  local source, err = output.source(wrapper)
  if not source then return nil, err end
  ok, err = feed(part_of(source, message.boundary(wrapper)), function(bytes) return signer:update(bytes) end)
  if not ok then return nil, err end
  local der
  der, name, sentence = signer:final()
  if not der then return nil, errors.from_core(name, sentence) end
  return der
end

local function strip(m)
  for _, name in ipairs(m:keys()) do
    if name:lower():match("^content%-") then message.remove(m, name) end
  end
  message.preamble(m, false)
  message.epilogue(m, false)
  message.data(m).charset = nil
end

-- `m` becomes something else, its other fields stay.
local function become(m, fill)
  strip(m)
  local ok, name, sentence = fill()
  if ok then ok, name, sentence = fields.add_new(m, "MIME-Version", "1.0") end
  if not ok then return nil, errors.from_core(name, sentence) end
  return m
end

-- `m` becomes application/pkcs7-mime around what its content was.
local function enclose(m, first, maker, smime_type)
  local content, err = wrap(first, maker, smime_type ~= "signed-data")
  message.data(m).is_spent = message.data(first).is_spent
  if not content then return nil, err end
  return become(m, function()
    return parts.fill(m, content, {
      type = ('application/pkcs7-mime; smime-type=%s; name="smime.p7m"'):format(smime_type), filename = "smime.p7m",
      exact = true,
    })
  end)
end

local function attach_signature(m, first, signer)
  local der, err = signature_of(first, signer)
  if not der then return nil, err end
  local last = message.new()
  local ok, name, sentence = parts.fill(last, der, {
    type = 'application/pkcs7-signature; name="smime.p7s"', filename = "smime.p7s", exact = true,
  })
  if not ok then return nil, errors.from_core(name, sentence) end
  return become(m, function()
    local added, why, text = message.add(m, "Content-Type", signed_type)
    if not added then return nil, why, text end
    return parts.set(m, { first, last })
  end)
end

---@param opts smtplib.smime.signing
function compose.sign(m, opts)
  check_message("sign_smime", m)
  options.check("sign_smime", opts, signing)
  local signer, err = new_signer(opts)
  if not signer then return nil, err end
  if not opts.opaque and not entity.reads_twice(m) then
    return nil, errors.from_core("source",
      "a source that can be read once cannot be signed: it is read to sign it, and again to send it")
  end
  local first, name, sentence = entity.new(m)
  if not first then return nil, errors.from_core(name, sentence) end
  if opts.opaque then return enclose(m, first, signer, "signed-data") end
  return attach_signature(m, first, signer)
end

local function new_encryptor(opts)
  local certs, err = options.texts(opts, "certs", "certfile")
  if not certs then return nil, err end
  local encryptor, name, sentence = core.smime.encryptor(opts.cipher or "aes-256-cbc")
  for i = 1, encryptor and #certs or 0 do
    local ok
    ok, name, sentence = encryptor:add(certs[i])
    if not ok then return nil, errors.from_core(name, sentence) end
  end
  if not encryptor then return nil, errors.from_core(name, sentence) end
  return encryptor
end

---@param opts smtplib.smime.encrypting
function compose.encrypt(m, opts)
  check_message("encrypt_smime", m)
  options.check("encrypt_smime", opts, encrypting)
  if not (opts.certs or opts.certfile) then
    misuse.argument("certs", "encrypt_smime", "string or table expected, got no value")
  end
  local encryptor, err = new_encryptor(opts)
  if not encryptor then return nil, err end
  local first, name, sentence = entity.new(m)
  if not first then return nil, errors.from_core(name, sentence) end
  local is_authenticated = (opts.cipher or ""):match("%-gcm$")
  return enclose(m, first, encryptor, is_authenticated and "authEnveloped-data" or "enveloped-data")
end

return compose
