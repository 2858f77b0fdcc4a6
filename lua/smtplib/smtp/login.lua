-- AUTH for the SMTP classes: which mechanism, in which order, and when not. The
-- exchanges themselves are the core's (csrc/engine/auth.h); responses by hand
-- are the caller's.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local misuse = require "smtplib.misuse"

local login = {}
local methods = {}

-- Strongest first; Python's order among the last three.
local preference = {
  "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256",
  "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN",
}

local function is_private(self)
  local session = self.session
  if session.tls or self.options.allow_insecure_auth then return true end
  local transport = session.transport
  return transport.is_loopback ~= nil and transport:is_loopback() == true
end

local function insecure(mechanism)
  local err = errors.SMTPNotSupportedError("AUTH " .. mechanism
    .. " would send the secret in clear text; use TLS, or say allow_insecure_auth = true")
  err.command = "AUTH"
  return err
end

-- The mechanisms that the server offers, as a set of upper-case names.
local function offered_by(self)
  local offered = {}
  for name in (self.esmtp_features.auth or ""):gmatch("%S+") do offered[name:upper()] = true end
  return offered
end

local function is_plus(mechanism)
  return mechanism:sub(-5) == "-PLUS"
end

local function offers_plus(offered)
  for name in pairs(offered) do
    if is_plus(name) then return true end
  end
  return false
end

-- An error of class SMTPAuthenticationError from a reply.
local function refusal(code, message, enhanced)
  local err = errors.SMTPAuthenticationError(code, message, enhanced)
  err.command = "AUTH"
  return err
end

-- The outcome of an exchange: 503 means that we are logged in already.
local function judge(self, code, message, enhanced)
  if not code then return self:settle(nil, message) end
  if code == 235 or code == 503 then return self:settle(code, message, enhanced) end
  local name, sentence
  if self:is_open() then name, sentence = self.session.core:auth_failure() end
  if name then
    local err = errors.from_core(name, sentence, { command = "AUTH", smtp_code = code })
    return self:settle(nil, err)
  end
  return self:settle(nil, refusal(code, message, enhanced))
end

-- One exchange in a mechanism of the core's.
local function try(self, mechanism, credentials, initial)
  local session = self.session
  local request = {
    mechanism = mechanism, initial = initial,
    host = self.host, port = tostring(self.port),
    binding_offered = offers_plus(offered_by(self)),
  }
  for name, value in pairs(credentials) do request[name] = value end
  session:listen()
  local ok, name, sentence = session.core:auth(request)
  if not ok then return self:settle(session:refuse(name, sentence, "AUTH")) end
  return judge(self, session:reply())
end

-- What can be used here, strongest first; `exposed` is one that was left out
-- because the connection is not private.
local function candidates(self, wanted)
  local offered, usable, exposed = offered_by(self), {}, nil
  local bound = self.session.core:can_bind()
  for _, mechanism in ipairs(wanted or preference) do
    mechanism = mechanism:upper()
    if offered[mechanism] and (bound or not is_plus(mechanism)) then
      if core.exposes_secret(mechanism) and not is_private(self) then
        exposed = exposed or mechanism
      else
        usable[#usable + 1] = mechanism
      end
    end
  end
  return usable, exposed
end

local function nothing_usable(exposed)
  if exposed then return insecure(exposed) end
  local err = errors.SMTPException("No suitable authentication method found.")
  err.command = "AUTH"
  return err
end

-- A mechanism that this host cannot do, or a permanent refusal, lets the next
-- one try; a server that failed to prove itself does not.
local function may_go_on(self, err)
  if not self:is_open() then return false end
  if err:is(errors.SMTPNotSupportedError) then return true end
  return err:is(errors.SMTPAuthenticationError) and err.smtp_code >= 500
end

local function negotiate(self, credentials, wanted, initial)
  if not self:has_extn("auth") then
    local err = errors.SMTPNotSupportedError("SMTP AUTH extension not supported by server.")
    err.command = "AUTH"
    return nil, err
  end
  local usable, exposed = candidates(self, wanted)
  if #usable == 0 then return nil, nothing_usable(exposed) end
  local code, message, enhanced
  for _, mechanism in ipairs(usable) do
    code, message, enhanced = try(self, mechanism, credentials, initial)
    if code then return code, message, enhanced end
    if not may_go_on(self, message) then break end
  end
  return nil, message
end

local login_options = { initial_response_ok = "boolean", mechanisms = "table" }

local function check_options(given, known, func)
  if given == nil then return {} end
  misuse.check(given, "table", "options", func)
  for name, value in pairs(given) do
    if not known[name] then misuse.raise("unknown option '" .. tostring(name) .. "'") end
    misuse.check(value, known[name], name, func)
  end
  return given
end

-- Session ready to log in, or nil and an error.
local function prepare(self)
  local session, err = self:open_session()
  if not session then return nil, err end
  local ok, failure = self:ehlo_or_helo_if_needed()
  if not ok then return nil, failure end
  return session
end

-- A login that was good is done again on a new connection (SMTP:reconnect).
local function remember(self, repeat_login, code, ...)
  if code and self.again then self.again.login = repeat_login end
  return code, ...
end

---Log in with the strongest mechanism that both sides know; one that is refused
---for good is followed by the next (API section 3.3).
---@param user string
---@param password string
---@param opts? {initial_response_ok: boolean?, mechanisms: string[]?}
---@return integer|nil code
---@return string|smtplib.Error message
function methods:login(user, password, opts)
  misuse.check(user, "string", "user", "login")
  misuse.check(password, "string", "password", "login")
  opts = check_options(opts, login_options, "login")
  local session, err = prepare(self)
  if not session then return nil, err end
  self.user, self.password = user, password
  return remember(self, function() return self:login(user, password, opts) end,
    negotiate(self, { user = user, password = password }, opts.mechanisms, opts.initial_response_ok ~= false))
end

-- A user's authobject, guarded: what it raises ends the exchange.
local function ask(session, authobject, challenge)
  local ok, response, reason = guard.within(session, authobject, challenge)
  if not ok then return nil, errors.is_error(response) and response or errors.SMTPException(tostring(response)) end
  if response ~= nil and type(response) ~= "string" then
    return nil, errors.SMTPException("the authobject must return a string or nil")
  end
  if response == nil and reason ~= nil then
    return nil, errors.is_error(reason) and reason or errors.SMTPException(tostring(reason))
  end
  return response
end

-- Answer challenges until the server decides. An error of the authobject is
-- told after the exchange has been cancelled in an orderly way.
local function converse(self, authobject)
  local session, failure = self.session, nil
  while true do
    local what, command, code, message, enhanced = session:wait()
    if what == "failed" then return self:settle(nil, command) end
    if what == "reply" then
      if session.core:is_closed() then session:close() end
      if failure then return self:settle(nil, failure) end
      return judge(self, code, message, enhanced)
    end
    if what == "idle" then return self:settle(session:fail("closed", nil, "AUTH")) end
    self.auth_challenge_count = self.auth_challenge_count + 1
    local response, err = ask(session, authobject, command)
    if session:was_closed() then
      return self:settle(nil, errors.SMTPServerDisconnected("closed by a callback"))
    end
    failure = failure or err
    local ok, name, sentence
    if response then ok, name, sentence = session.core:respond(response) end
    if response and not ok then failure = errors.from_core(name, sentence, { command = "AUTH" }) end
    if not ok then session.core:cancel() end
  end
end

---Log in by a conversation of the caller's: authobject(challenge) returns the
---response to a decoded challenge; authobject(nil) the initial one, or nil.
---@param mechanism string
---@param authobject fun(challenge: string?): string?
---@param opts? {initial_response_ok: boolean?}
---@return integer|nil code
---@return string|smtplib.Error message
function methods:auth(mechanism, authobject, opts)
  misuse.check(mechanism, "string", "mechanism", "auth")
  misuse.check(authobject, "function|table|userdata", "authobject", "auth")
  opts = check_options(opts, { initial_response_ok = "boolean" }, "auth")
  local session, err = self:open_session()
  if not session then return nil, err end
  mechanism = mechanism:upper()
  if not mechanism:find("^[%w_-]+$") then
    return nil, errors.from_core("argument", "not the name of a mechanism", { command = "AUTH" })
  end
  if core.exposes_secret(mechanism) and not is_private(self) then return nil, insecure(mechanism) end
  local initial, failure
  if opts.initial_response_ok ~= false then initial, failure = ask(session, authobject, nil) end
  if session:was_closed() then
    failure = errors.SMTPServerDisconnected("closed by a callback")
  end
  if failure then return self:settle(nil, failure) end
  self.auth_challenge_count = initial and 1 or 0
  session:listen()
  local ok, name, sentence = session.core:auth_by_hand(mechanism, initial)
  if not ok then return self:settle(session:refuse(name, sentence, "AUTH")) end
  return remember(self, function() return self:auth(mechanism, authobject, opts) end, converse(self, authobject))
end

local function one_step(self, mechanism, challenge)
  local conversation, name, sentence = core.auth {
    mechanism = mechanism, user = self.user or "", password = self.password or "",
  }
  if not conversation then return nil, errors.from_core(name, sentence, { command = "AUTH" }) end
  local response, why, text = conversation:step(challenge)
  if not response then return nil, errors.from_core(why, text, { command = "AUTH" }) end
  return response
end

---The response of PLAIN from the fields user and password.
function methods:auth_plain()
  return one_step(self, "PLAIN", nil)
end

---The response of CRAM-MD5 to a challenge; nil without one.
function methods:auth_cram_md5(challenge)
  if challenge == nil then return nil end
  return one_step(self, "CRAM-MD5", challenge)
end

---The responses of LOGIN: the user's name first, then the password. Prompts
---differ between servers, so only their order counts.
function methods:auth_login(challenge)
  if challenge == nil or (self.auth_challenge_count or 0) < 2 then return self.user end
  return self.password
end

-- The `auth` option as credentials; a token function is asked for a fresh one.
local function credentials_of(session, given)
  local token = given.token
  if type(token) == "function" then
    local ok, fresh, err = guard.within(session, token)
    if session:was_closed() then
      return nil, errors.SMTPServerDisconnected("closed by a callback")
    end
    if not ok then return nil, errors.is_error(fresh) and fresh or errors.SMTPException(tostring(fresh)) end
    if type(fresh) ~= "string" then
      return nil, errors.is_error(err) and err or errors.SMTPException("no token: " .. tostring(err))
    end
    token = fresh
  end
  return { user = given.user or given.username, password = given.password, token = token, authzid = given.authzid }
end

local function default_mechanisms(given)
  if given.mechanism then return { given.mechanism } end
  if given.token then return { "OAUTHBEARER", "XOAUTH2" } end
  return nil
end

---Log in as the constructor's options say, if they do.
function methods:apply_credentials()
  local given = self.options.auth
  if not given and self.options.user then
    given = { user = self.options.user, password = self.options.password }
  end
  if not given then return true end
  local session, err = prepare(self)
  if not session then return nil, err end
  local credentials, failure = credentials_of(session, given)
  if not credentials then return self:settle(nil, failure) end
  local code, message = remember(self, function() return self:apply_credentials() end,
    negotiate(self, credentials, default_mechanisms(given), given.initial_response_ok ~= false))
  if not code then return nil, message end
  return true
end

function login.extend(class)
  for name, method in pairs(methods) do class[name] = method end
end

return login
