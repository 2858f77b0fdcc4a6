-- More recipients than a server takes in one transaction: as many as it says
-- (LIMITS, RFC 9422), the rest in further transactions; and those that it turned
-- away with "too many recipients" (RFC 5321 section 4.5.3.1.10) once more.
local batch = {}

local function limit_of(features, name)
  if not features.limits then return nil end
  local limit = tonumber(features.limits:upper():match(name .. "=(%d+)"))
  return limit and limit > 0 and limit or nil
end

---How many recipients the server takes at a time; nil when it does not say.
---@param features table<string, string>
---@return integer?
function batch.limit(features)
  return limit_of(features, "RCPTMAX")
end

---How many transactions the server takes on one connection.
---@return integer?
function batch.mail_limit(features)
  return limit_of(features, "MAILMAX")
end

---The recipients from number `first` on, at most `limit`.
function batch.take(recipients, first, limit)
  if first == 1 and (not limit or #recipients <= limit) then return recipients end
  local part = {}
  for i = first, math.min(#recipients, limit and first + limit - 1 or #recipients) do
    part[#part + 1] = recipients[i]
  end
  return part
end

local function is_overflow(reply)
  if not reply or reply[1] ~= 452 then return false end
  if reply[3] then return reply[3] == "4.5.3" end
  return reply[2]:lower():find("too many", 1, true) ~= nil
end

---Those whom the server turned away only because there were too many; they are
---taken out of the table of the refused. None when it took nobody: then another
---try would end the same way.
---@param recipients table[]
---@param refused table<string, table>
---@return table[] overflow
function batch.overflow(recipients, refused)
  local list, others = {}, 0
  for _, one in ipairs(recipients) do
    if is_overflow(refused[one.key]) then
      list[#list + 1] = one
    else
      others = others + 1
    end
  end
  if others == 0 then return {} end
  for _, one in ipairs(list) do refused[one.key] = nil end
  return list
end

---A later transaction failed after an earlier one has delivered: its recipients
---were refused, with the error's reply, and `delivery = "unknown"` where the
---server may have taken it all the same.
function batch.refuse(refused, recipients, err)
  local given = err.recipients or {}
  for _, one in ipairs(recipients) do
    refused[one.key] = given[one.key] or {
      err.smtp_code or 451, err.smtp_error or err.message, err.enhanced_code,
      delivery = err.delivery ~= "none" and err.delivery or nil,
    }
  end
end

return batch
