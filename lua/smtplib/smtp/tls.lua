-- STARTTLS and implicit TLS for the SMTP classes. TLS that was asked for is
-- required: where it is not offered, refused or not good, the session ends, so
-- that nobody goes on in clear by overlooking an error.
local errors = require "smtplib.errors"
local endpoint = require "smtplib.endpoint"
local misuse = require "smtplib.misuse"
local ssl = require "smtplib.ssl"

local tls = {}
local methods = {}

-- A context from what a caller gave: one that is made, options for one, nothing.
local function to_context(given, func)
  if given == nil then return ssl.default_context() end
  if ssl.is_context(given) then return given end
  if type(given) == "table" then return ssl.create_default_context(given) end
  misuse.argument("context", func, "a TLS context or a table of its options expected")
end

---The context that the constructor's options ask for; nothing is connected yet.
function methods:take_tls_options()
  local given = self.options
  if given.context and given.tls_options then
    misuse.raise("options 'context' and 'tls_options' exclude one another")
  end
  if not given.context and not given.tls_options then return true end
  local context, err = to_context(given.context or given.tls_options, self.class_name)
  if not context then return nil, err end
  self.context = context
  return true
end

-- The name that the certificate must bear. A Unix socket has none of its own.
local function name_to_verify(self)
  return endpoint.is_path(self.host) and "localhost" or self.host
end

local function refuse(self, err)
  self:hang_up()
  return nil, err
end

---Handshake on the connection as it is.
---@param command string? for errors, when it was STARTTLS
function methods:begin_tls(context, command)
  local made, err = to_context(context, self.class_name)
  if not made then return refuse(self, err) end
  return self.session:start_tls(made, name_to_verify(self), self.host .. ":" .. self.port, command or "connect")
end

-- STARTTLS and the handshake. A refusal comes back as the third value, and the
-- session is as it was.
local function negotiate(self, session, context)
  local code, message, enhanced = session:command("STARTTLS")
  if not code then return self:settle(nil, message) end
  if code ~= 220 then
    local refusal = errors.SMTPResponseException(code, message, enhanced)
    refusal.command = "STARTTLS"
    return nil, nil, refusal
  end
  local ok, failure = self:begin_tls(context, "STARTTLS")
  if not ok then return self:settle(nil, failure) end
  self:forget_greeting()
  self.again.starttls = context
  return code, message, enhanced
end

---Ask for TLS on this connection and verify the server's certificate. What was
---known of the server is forgotten (RFC 3207 section 4.2).
---@param context? userdata|table a context, or options for one (API section 4)
---@return integer|nil code
---@return string|smtplib.Error message
function methods:starttls(context)
  local made, problem = to_context(context or self.context, "starttls")
  local session, err = self:open_session()
  if not session then return nil, err end
  if not made then return refuse(self, problem) end
  if session.tls then return nil, errors.SMTPNotSupportedError("TLS is active already") end
  local ok, failure = self:ehlo_or_helo_if_needed()
  if not ok then return nil, failure end
  if not self:has_extn("starttls") then
    return refuse(self, errors.SMTPNotSupportedError("STARTTLS extension not supported by server."))
  end
  local code, message, enhanced = negotiate(self, session, made)
  if not code and not message then return refuse(self, enhanced) end
  return code, message, enhanced
end

-- TLS where it can be had. Who could take the offer away could refuse it as
-- well, so that a refusal is no worse than no offer; a failed handshake is.
local function try_tls(self)
  local ok, err = self:ehlo_or_helo_if_needed()
  if not ok then return nil, err end
  if not self:has_extn("starttls") then return true end
  local made
  made, err = to_context(self.context, self.class_name)
  if not made then return refuse(self, err) end
  local code, failure = negotiate(self, self.session, made)
  if not code and failure then return nil, failure end
  if not self:is_open() then return nil, errors.SMTPServerDisconnected("closed at STARTTLS") end
  return true
end

---What the constructor's option `tls` asks for after the greeting.
function methods:apply_tls_option()
  local mode = self.options.tls
  if mode == "opportunistic" then return try_tls(self) end
  if mode ~= "starttls" then return true end
  local code, err = self:starttls()
  if not code then return nil, err end
  return true
end

function tls.extend(class)
  for name, method in pairs(methods) do class[name] = method end
end

return tls
