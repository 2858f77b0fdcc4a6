-- The classes SMTP, SMTP_SSL and LMTP: connecting, the single commands, and the
-- state that Python's programs look at. What is larger lives in smtplib.smtp.*:
-- login (AUTH), tls (STARTTLS), send (transactions).
local core = require "smtplib.core"
local endpoint = require "smtplib.endpoint"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local log = require "smtplib.log"
local misuse = require "smtplib.misuse"
local options = require "smtplib.options"
local Session = require "smtplib.session"
local transports = require "smtplib.transport"

---@class smtplib.SMTP
---@field sock userdata|table|nil  the transport; nil when not connected
---@field timeout number|table
---@field local_hostname string|nil
---@field source_address table|nil
---@field debuglevel integer
---@field default_port integer
---@field ehlo_msg string
---@field ehlo_resp string|nil
---@field helo_resp string|nil
---@field does_esmtp boolean
---@field esmtp_features table<string, string>
---@field user string|nil
---@field password string|nil
local SMTP = { debuglevel = 0, default_port = 25, ehlo_msg = "ehlo", does_esmtp = false }

local positional = { "host", "port", "local_hostname", "timeout", "source_address" }

-- What the server said of itself does not outlive the connection, nor the start
-- of TLS on it.
function SMTP:forget_greeting()
  self.ehlo_resp, self.helo_resp, self.does_esmtp, self.said_helo = nil, nil, false, nil
  self.esmtp_features = {}
end

local function not_connected()
  return nil, errors.SMTPServerDisconnected("please run connect() first")
end

---@return boolean true while commands can be sent
function SMTP:is_open()
  return self.session ~= nil and self.session:is_open()
end

local function busy()
  return nil, errors.from_core("state",
    "the object is busy: this was called from one of its own callbacks, or another coroutine is using it")
end

-- The session to send a command on, or nil and an error.
function SMTP.open_session(self)
  if type(self) ~= "table" or not self.esmtp_features then
    misuse.raise("a method was called without its object: write server:noop(), with a colon")
  end
  if not self:is_open() then return not_connected() end
  if self.session.calling or self.session.waiting then return busy() end
  local name, sentence = self.session:elsewhere()
  if name then return nil, errors.from_core(name, sentence) end
  return self.session
end

-- After a call that may have closed the session: the object shows it.
local function settle(self, first, ...)
  if not self:is_open() then
    self.session, self.sock = nil, nil
    self:forget_greeting()
  end
  return first, ...
end
SMTP.settle = settle

local function tracer_of(self)
  local level, trace = self.debuglevel, self.options.trace
  local debug_tracer = level > 0 and log.tracer(level)
  if not debug_tracer and not trace then return nil end
  return function(direction, bytes)
    if debug_tracer then debug_tracer(direction, bytes) end
    if trace then trace(direction == ">" and "send" or "receive", bytes) end
  end
end

local function new_transport(self)
  if self.connected then return self.connected end
  local given = self.options.transport
  if type(given) == "function" then return options.check_transport(given(), self.class_name) end
  if type(given) == "string" then return transports.named(given) end
  return given or transports.choose()
end

local function apply_timeouts(transport, timeouts)
  if transport.settimeouts then
    transport:settimeouts(timeouts.connect, timeouts.send, timeouts.read)
  elseif transport.settimeout then
    transport:settimeout(timeouts.read)
  end
end

local function dial(self, host, port)
  if host == "" or host:find("[%z\1-\31\127]") then
    return nil, errors.from_core("argument", "not a host name", { command = "connect" })
  end
  local transport = new_transport(self)
  if self.debuglevel > 0 then
    log.line(self.debuglevel, "connect", ("to ('%s', %d)"):format(host, port))
  end
  local timeouts = options.timeouts(self.timeout, self.class_name)
  apply_timeouts(transport, timeouts)
  local ok, name, sentence = true, nil, nil
  if transport ~= self.connected then
    ok, name, sentence = transport:connect(host, port, { source_address = self.source_address, timeout = timeouts,
      pool = self.pool, pool_size = self.pool and 1 })
  end
  self.connected = nil
  if not ok then
    transport:close()
    local err = errors.SMTPSocketError(name, sentence)
    err.command = "connect"
    return nil, err
  end
  self.sock = transport
  local session, err = Session.new(transport, {
    lmtp = self.lmtp,
    limits = self.options.limits,
    command_timeouts = self.options.command_timeouts,
    timeouts = timeouts,
    tracer = tracer_of(self),
    meter = self.meter,
  })
  if not session then transport:close() end
  return session, err
end

-- Dots make a host name worth telling; else the address we come from. No DNS
-- query for it, ever.
local function name_self(self)
  if self.local_hostname and self.local_hostname ~= self.own_literal then return end
  local name = core.gethostname() or ""
  if name:find(".", 1, true) then
    self.local_hostname = name
  else
    self.own_literal = self.sock.local_literal and self.sock:local_literal() or "[127.0.0.1]"
    self.local_hostname = self.own_literal
  end
end

-- Where to: as given, else where it was before, else Python's "localhost".
local function destination(self, host, port)
  if host == nil or host == "" then
    host, port = self.host or "localhost", port or self.port
  end
  return endpoint.parse(host, port, self.default_port, "connect")
end

---Connect and read the greeting, whatever it says.
---@param host? string  default: the one before, or "localhost"; "host:port", "[::1]", "unix:/path"
---@param port? integer
---@param source_address? table {host, port}
---@return integer|nil code
---@return string|smtplib.Error message
---@return string? enhanced_code
function SMTP:connect(host, port, source_address)
  if host ~= nil then misuse.check(host, "string", "host", "connect") end
  options.check_source(source_address, "connect")
  self.source_address = source_address or self.source_address
  host, port = destination(self, host, port)
  if self.session and guard.is_inside(self.session) then return busy() end
  self:hang_up()
  self.host, self.port, self.again = host, port, {}
  local session, err = dial(self, host, port)
  if not session then return settle(self, nil, err) end
  self.session = session
  name_self(self)
  if self.implicit_tls then
    local ok, failure = self:begin_tls(self.context)
    if not ok then return settle(self, nil, failure) end
  end
  local code, message, enhanced = session:reply()
  if not code then message.command = "greeting" end
  self.greeting = message
  return settle(self, code, message, enhanced)
end

-- Close, and remember what was done on the connection.
function SMTP:hang_up()
  if self.session then self.session:close() end
  return settle(self, true)
end

---Close without a word. Fine on a closed object; from one of the object's
---callbacks it takes effect when that returns.
---@return true
function SMTP:close()
  self.again = nil
  if self.session and guard.is_inside(self.session) then
    self.session.closing = true
    return true
  end
  return self:hang_up()
end

---Send one command and return its reply, whatever it is.
---@param verb string
---@param args? string
---@return integer|nil code
---@return string|smtplib.Error message
---@return string? enhanced_code
function SMTP:docmd(verb, args)
  misuse.check(verb, "string", "verb", "docmd")
  if args ~= nil then misuse.check(args, "string|number", "args", "docmd") end
  local session, err = SMTP.open_session(self)
  if not session then return nil, err end
  return settle(self, session:command(verb, args and tostring(args), true))
end

---Send one command without reading its reply (see getreply).
---@return true|nil ok
---@return smtplib.Error? err
function SMTP:putcmd(verb, args)
  misuse.check(verb, "string", "verb", "putcmd")
  if args ~= nil then misuse.check(args, "string|number", "args", "putcmd") end
  local session, err = SMTP.open_session(self)
  if not session then return nil, err end
  return settle(self, session:put(verb, args and tostring(args)))
end

---Read one reply.
function SMTP:getreply()
  local session, err = SMTP.open_session(self)
  if not session then return nil, err end
  local ok, failure = session:expect()
  if not ok then return nil, failure end
  return settle(self, session:reply())
end

---Send bytes as they are.
---@return true|nil ok
---@return smtplib.Error? err
function SMTP:send(bytes)
  misuse.check(bytes, "string", "bytes", "send")
  local session, err = SMTP.open_session(self)
  if not session then return nil, err end
  return settle(self, session:raw(bytes))
end

-- A plain command and its reply.
local function command(self, verb, args)
  local session, err = SMTP.open_session(self)
  if not session then return nil, err end
  return settle(self, session:command(verb, args))
end

local function greeting_name(self, name, func)
  if name ~= nil then misuse.check(name, "string", "name", func) end
  return name and name ~= "" and name or self.local_hostname
end

---@param name? string default: local_hostname
function SMTP:helo(name)
  if self.lmtp then return self:ehlo(name) end -- LMTP knows LHLO alone (RFC 2033)
  name = greeting_name(self, name, "helo")
  local code, message, enhanced = command(self, "HELO", name)
  if code then
    self.helo_resp, self.said_helo = message, code >= 200 and code < 300
    self.esmtp_features, self.does_esmtp = {}, false
  end
  return code, message, enhanced
end

---Ask what the server offers (EHLO; LHLO for LMTP) and remember it.
---@param name? string default: local_hostname
function SMTP:ehlo(name)
  name = greeting_name(self, name, "ehlo")
  local code, message, enhanced = command(self, self.ehlo_msg:upper(), name)
  if not code then return nil, message end
  self.ehlo_resp = message
  self.does_esmtp = code >= 200 and code < 300
  self.esmtp_features = self.does_esmtp and self:is_open() and self.session.core:features() or {}
  return code, message, enhanced
end

---EHLO, or HELO where EHLO is refused, unless one was answered already.
---@return true|nil ok
---@return smtplib.Error? err SMTPHeloError
function SMTP:ehlo_or_helo_if_needed()
  local session, failure = self:open_session()
  if not session then return nil, failure end
  if self.does_esmtp or self.said_helo then return true end
  local code, message, enhanced = self:ehlo()
  if not code then return nil, message end
  if self.does_esmtp then return true end
  local verb = self.ehlo_msg:upper()
  if not self.lmtp and code ~= 421 then
    code, message, enhanced = self:helo()
    if not code then return nil, message end
    if self.said_helo then return true end
    verb = "HELO"
  end
  local err = errors.SMTPHeloError(code, message, enhanced)
  err.command = verb
  return nil, err
end

---True if the server offered the extension, in any case.
---@param name string
---@return boolean
function SMTP:has_extn(name)
  misuse.check(name, "string", "name", "has_extn")
  return self.esmtp_features[name:lower()] ~= nil
end

function SMTP:help(topic)
  if topic ~= nil then misuse.check(topic, "string", "topic", "help") end
  return command(self, "HELP", topic)
end

function SMTP:noop()
  return command(self, "NOOP")
end

function SMTP:rset()
  return command(self, "RSET")
end

-- VRFY and EXPN take an address or a name: what is no address goes as it is.
local function bare(address)
  local spec, kind = core.parse_path(address)
  return spec and kind ~= "address" and spec ~= "" and spec or address
end

---@param address string
function SMTP:verify(address)
  misuse.check(address, "string", "address", "verify")
  return command(self, "VRFY", bare(address))
end
SMTP.vrfy = SMTP.verify

---@param address string
function SMTP:expn(address)
  misuse.check(address, "string", "address", "expn")
  return command(self, "EXPN", bare(address))
end

---Say goodbye and close. What the server answers is handed back.
function SMTP:quit()
  local code, message, enhanced = command(self, "QUIT")
  local session = self.session
  if session and not session.calling and not session.waiting then session:shutdown() end
  return settle(self, code, message, enhanced)
end

---@param level integer 0: off; 1: the dialogue; 2: with the time of day
function SMTP:set_debuglevel(level)
  if level == true then level = 1 end
  level = level or 0
  misuse.check(level, "number", "level", "set_debuglevel")
  self.debuglevel = level
  if self.session then self.session:set_tracer(tracer_of(self)) end
end

local function greet(self, host, port)
  local code, message, enhanced = self:connect(host, port)
  if not code then return nil, message end
  if code == 220 then return true end
  self:hang_up()
  local err = errors.SMTPConnectError(code, message, enhanced)
  err.command = "greeting"
  return nil, err
end

local function close_unless(self, ok, err)
  if ok then return true end
  self:hang_up()
  return nil, err
end

---Connect, encrypt and log in as the options say.
---@return true|nil ok
---@return smtplib.Error? err
function SMTP:begin(host, port)
  local ok, err = greet(self, host, port)
  if ok then ok, err = self:apply_tls_option() end
  if ok then ok, err = self:apply_credentials() end
  return close_unless(self, ok, err)
end

---Connect again to where this object was connected last, and do again what was
---done there: TLS, login.
---@return true|nil ok
---@return smtplib.Error? err
function SMTP:reconnect()
  local before = self.again
  if not before then return not_connected() end
  local ok, err = greet(self, self.host, self.port)
  if ok and before.starttls then ok, err = self:starttls(before.starttls) end
  if ok and before.login then ok, err = before.login() end
  self.again = before
  return close_unless(self, ok, err)
end

local function init(class, given)
  local self = setmetatable({ options = given, class_name = class.class_name, esmtp_features = {} }, class.instance)
  self.timeout = given.timeout
  self.local_hostname = given.local_hostname
  self.source_address = given.source_address
  self.user, self.password = given.user, given.password
  self.context = given.context
  self.add_missing_headers = given.add_missing_headers ~= false
  if class.implicit_tls and given.tls == nil then given.tls = "implicit" end
  if class.implicit_tls and given.tls ~= "implicit" then
    misuse.argument("tls", class.class_name, "this class is TLS from the first byte; use SMTP for anything else")
  end
  self.implicit_tls = given.tls == "implicit"
  if given.tls == "implicit" and not class.implicit_tls then self.default_port = 465 end
  local name = not self.local_hostname and core.gethostname() or ""
  if name:find(".", 1, true) then self.local_hostname = name end
  if given.debuglevel then self:set_debuglevel(given.debuglevel) end
  return self
end

local function construct(class, ...)
  local given = options.collect(class.class_name, class.positional, ...)
  if given.host then
    endpoint.parse(given.host, given.port, class.default_port, class.class_name)
  end
  local self = init(class, given)
  local ok, err = self:take_tls_options()
  if not ok then return nil, err end
  if not given.host then return self end
  ok, err = self:begin(given.host, given.port)
  if not ok then return nil, err end
  return self
end

-- Leaving a block by an error must not look like a wish to be done.
local function close_block(self, err)
  if err == nil and self:is_open() then
    self:quit()
  end
  self:hang_up()
end

local function define(class, parent, name, fields)
  for key, value in pairs(fields) do class[key] = value end
  class.class_name = name
  class.instance = {
    __index = class,
    __name = "smtplib." .. name,
    __close = close_block,
    __gc = function(self) self:hang_up() end,
    __tostring = function(self)
      local where = self:is_open() and self.host or "not connected"
      if self:is_open() and self.port > 0 then where = where .. ":" .. self.port end
      return ("smtplib.%s (%s)"):format(name, where)
    end,
  }
  return setmetatable(class, { __index = parent, __call = construct, __name = "smtplib.class",
    __tostring = function() return "smtplib." .. name end })
end

local ssl_positional = { "host", "port", "local_hostname", "timeout", "source_address", "context" }
local lmtp_positional = { "host", "port", "local_hostname", "source_address", "timeout" }

define(SMTP, nil, "SMTP", { positional = positional })
local SMTP_SSL = define({}, SMTP, "SMTP_SSL",
  { positional = ssl_positional, default_port = 465, implicit_tls = true })
local LMTP = define({}, SMTP, "LMTP",
  { positional = lmtp_positional, default_port = 2003, ehlo_msg = "lhlo", lmtp = true })

require("smtplib.smtp.tls").extend(SMTP)
require("smtplib.smtp.login").extend(SMTP)
require("smtplib.smtp.send").extend(SMTP)
require("smtplib.smtp.many").extend(SMTP)
require("smtplib.smtp.idle").extend(SMTP)

return { SMTP = SMTP, SMTP_SSL = SMTP_SSL, LMTP = LMTP }
