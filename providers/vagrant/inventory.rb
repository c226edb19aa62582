# frozen_string_literal: true

require "ipaddr"
require "yaml"
require_relative "problem"

module Lab
  # One machine: its name, its IPv4 address, memory in MB, virtual processors, the groups that it is in.
  Machine = Struct.new(:name, :address, :memory_mb, :cpus, :tiers, keyword_init: true)

  # What Vagrant needs to know of an inventory. Ansible's own preflight judges the rest, before it touches a machine.
  class Inventory
    MEMORY_MB = 512 # of a machine that says nothing of it
    SMALLEST_MB = 128

    # The machines, in the inventory's order, and the first three numbers of their network.
    attr_reader :machines, :subnet

    # path: a folder with a hosts.yml, or the file. subnet: three numbers that take the place of the inventory's.
    # Raises Problem where no machine could be made of it.
    def initialize(path, subnet: nil)
      @file = File.directory?(path) ? File.join(path, "hosts.yml") : path
      all = read.fetch("all") { refuse("has no group `all`. See inventory/lab/hosts.yml.") } || {}
      @subnet = subnet || (all["vars"] || {})["lab_subnet"]
      @subnet || refuse("has no lab_subnet, so its machines are not made here. Those that are there: make provision.")
      @moved = !subnet.nil?
      address?("#{@subnet}.0") ||
        refuse("`#{@subnet}` is not the first three numbers of a network. Write it like 192.168.56.")
      @machines = collect(all, nil, {}).map { |name, (keys, tiers)| machine(name, keys, tiers) }
      check
    end

    def network
      IPAddr.new("#{subnet}.0/24")
    end

    private

    def read
      content = YAML.safe_load(File.read(@file), aliases: true)
      content.is_a?(Hash) ? content : refuse("is not an inventory. See inventory/lab/hosts.yml.")
    rescue Errno::ENOENT
      refuse("is not there. LAB_INVENTORY names the folder of another one.")
    rescue Psych::SyntaxError => e
      refuse("is no YAML: line #{e.line}, #{e.problem}.")
    end

    # name => [its variables, its groups]: a machine may stand in several groups.
    def collect(group, name, found)
      (group["hosts"] || {}).each do |host, keys|
        variables, tiers = found[host] ||= [{}, []]
        variables.update(keys || {})
        tiers << name if name
      end
      (group["children"] || {}).each { |child, content| collect(content || {}, child, found) }
      found
    end

    def machine(name, keys, tiers)
      address = keys["ansible_host"].to_s
      address = "#{subnet}.#{address[/\d+\z/]}" if @moved
      memory = keys.fetch("memory_mb", MEMORY_MB)
      unless memory.is_a?(Integer) && memory >= SMALLEST_MB
        refuse("#{name}: memory_mb cannot be `#{memory}`. Write a whole number from #{SMALLEST_MB} on.")
      end
      Machine.new(name: name, address: address, memory_mb: memory, cpus: keys.fetch("cpus", 1), tiers: tiers)
    end

    def address?(text)
      IPAddr.new(text).ipv4?
    rescue IPAddr::Error
      false
    end

    def check
      refuse("has no machines.") if machines.empty?
      machines.each do |machine|
        next if address?(machine.address) && network.include?(machine.address)

        refuse("#{machine.name}: `#{machine.address}` is no address in #{subnet}.0/24. Give it another ansible_host.")
      end
      machines.group_by(&:address).each do |address, same|
        same.one? || refuse("#{same.map(&:name).join(' and ')} have the same address #{address}. Give each its own.")
      end
    end

    def refuse(what)
      raise Problem, "#{@file}: #{what}"
    end
  end
end
