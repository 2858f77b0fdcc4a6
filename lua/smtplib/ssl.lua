-- TLS contexts: whom to trust, what to show, which sessions to resume. The
-- checks of arguments are here, so that they blame the caller's line; the work
-- is the C core's. A context is made once and used for many connections.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"

local ssl = {}

---@class smtplib.ssl.options
---@field verify? boolean         check chain and host name (default true)
---@field cafile? string          PEM file of trusted authorities
---@field capath? string          folder of them under hashed names
---@field cadata? string          the same as PEM or DER bytes
---@field certfile? string        own certificate chain, PEM
---@field keyfile? string         its key, PEM; default: in certfile
---@field key_password? string
---@field server_hostname? string name to verify and to send as SNI
---@field min_version? string     "TLSv1.2" (default), "TLSv1.3", "TLSv1.1", "TLSv1"
---@field max_version? string
---@field ciphers? string         OpenSSL cipher list; TLS 1.3 suites by name
---@field alpn? string|string[]   protocols to offer (default: none)
---@field fingerprint? string     "sha256:HEX" of the certificate, instead of chain and name

---@class smtplib.ssl.context: userdata

local client_options = {
  verify = "boolean",
  cafile = "string",
  capath = "string",
  cadata = "string",
  certfile = "string",
  keyfile = "string",
  key_password = "string",
  server_hostname = "string",
  min_version = "string",
  max_version = "string",
  ciphers = "string",
  alpn = "string or table",
  fingerprint = "string",
}

local server_options = { request_client_cert = "boolean", max_fragment = "number" }
for name, kind in pairs(client_options) do server_options[name] = kind end

local function check_text(name, value, func)
  if name ~= "cadata" and value:find("\0", 1, true) then
    misuse.argument(name, func, "contains a NUL byte")
  end
end

local function check_list(name, list, func)
  for _, value in ipairs(list) do
    if type(value) ~= "string" then
      misuse.argument(name, func, "array of strings expected")
    end
    check_text(name, value, func)
  end
end

local function check_options(options, known, func)
  if type(options) ~= "table" then
    misuse.argument("options", func, "table expected, got " .. type(options))
  end
  for name, value in pairs(options) do
    local wanted, got = known[name], type(value)
    if not wanted then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
    if not wanted:find(got, 1, true) then
      misuse.argument(name, func, wanted .. " expected, got " .. got)
    end
    if got == "string" then check_text(name, value, func) end
    if got == "table" then check_list(name, value, func) end
  end
end

---Raise for options of a client's context that are misuse.
---@param options smtplib.ssl.options
---@param func string the public function's name
function ssl.check_options(options, func)
  check_options(options, client_options, func)
end

local function new_context(options)
  local context, name, sentence = core.tls_context(options)
  if not context then return nil, errors.from_core(name, sentence) end
  return context
end

---A context for connections to servers: chain and host name are verified, with
---the system's store unless cafile, capath or cadata name another.
---@param options? smtplib.ssl.options
---@return smtplib.ssl.context? context
---@return table? err SMTPTLSError: a file is missing, a value is not understood
function ssl.create_default_context(options)
  if options == nil then options = {} end
  check_options(options, client_options, "create_default_context")
  return new_context(options)
end

---A context for a server, such as the sink: certfile is required. With
---request_client_cert a client may show a certificate, with verify it must.
---@param options smtplib.ssl.options
---@return smtplib.ssl.context? context
---@return table? err SMTPTLSError
function ssl.create_server_context(options)
  check_options(options, server_options, "create_server_context")
  local copy = { server = true }
  for name, value in pairs(options) do copy[name] = value end
  return new_context(copy)
end

local shared

---The context of all connections that name none. It is shared, because it holds
---the sessions to resume, and because reading the system's store takes time.
---@return smtplib.ssl.context? context
---@return table? err
function ssl.default_context()
  if not shared then
    local context, err = new_context({})
    if not context then return nil, err end
    shared = context
  end
  return shared
end

---True if the value is a context of this module.
---@param value any
---@return boolean
function ssl.is_context(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return type(meta) == "table" and meta.__name == "smtplib.core.tls_context"
end

return ssl
