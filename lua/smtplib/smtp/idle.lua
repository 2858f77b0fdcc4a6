-- An object that is not used for a while, for smtplib.mailer. Its connection stays
-- open, and where the host keeps connections beyond a request (nginx's pools) it is
-- handed over, to be asked for again by a name of its own. What the core knows of
-- it (TLS, extensions, login) stays here.
local methods = {}

---Count from now on what goes over this object's connections.
function methods:start_metering()
  self.meter = { connections = 0, turns = 0, bytes = 0 }
  self.told = { connections = 0, turns = 0, bytes = 0 }
end

---What has gone over the object's connections since this was asked last.
---@return integer connections, integer round_trips, integer bytes sent
function methods:take_traffic()
  local meter, told = self.meter, self.told
  local turns, bytes = 0, 0
  if self:is_open() then turns, bytes = self.session.core:traffic() end
  local now = { connections = meter.connections, turns = meter.turns + turns, bytes = math.floor(meter.bytes + bytes) }
  self.told = now
  return now.connections - told.connections, now.turns - told.turns, now.bytes - told.bytes
end

---Lay the connection aside.
---@param seconds number how long the host is to keep it
---@return boolean
function methods:lay_aside(seconds)
  local session = self.session
  if not session or not session:is_open() or session.calling or session.waiting then return false end
  if not session.transport.setkeepalive or not self.pool then return true end
  session.waiting = true -- a yielding transport: nobody else may come in between
  local kept = session.transport:setkeepalive(seconds, 1)
  session.waiting = false
  if not kept then self:hang_up() end
  return kept == true
end

-- The transport of a connection that is gone; what the core knew of it goes.
local function let_go(self)
  local transport = self.session.transport
  self.session.transport = nil
  self.session:close()
  self.session, self.sock = nil, nil
  self:forget_greeting()
  return transport
end

---Take it up again. Where the host has lost the connection meanwhile and made
---another, that one is greeted, encrypted and logged in as the first one was.
---@return boolean|nil ok, smtplib.Error? err
---@return boolean is_fresh the connection is another one
function methods:take_up()
  local session = self.session
  if not session or not session:is_open() then return nil, nil, false end
  if not session.transport.setkeepalive or not self.pool then
    session:listen()
    return session:is_open() and not session.core:has_ended(), nil, false
  end
  session.waiting = true
  local ok = session.transport:connect(self.host, self.port,
    { pool = self.pool, pool_size = 1, timeout = session.timeouts, source_address = self.source_address })
  session.waiting = false
  if ok and session.transport:getreusedtimes() > 0 then return true, nil, false end
  local transport = let_go(self)
  if not ok then return nil, nil, false end
  self.connected = transport
  local greeted, err = self:reconnect()
  return greeted, err, true
end

local idle = {}

function idle.extend(class)
  for name, method in pairs(methods) do class[name] = method end
end

return idle
