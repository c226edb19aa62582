# frozen_string_literal: true

require "fileutils"

module Lab
  # The LAB_… variables. The first `vagrant up` records some of them in .lab/settings, as `make up` does; while the
  # lab exists, the record wins over the environment.
  class Settings
    DEFAULTS = { "LAB_INVENTORY" => "inventory/lab", "LAB_RELEASE" => "trixie" }.freeze
    RECORDED = %w[LAB_INVENTORY LAB_SUBNET LAB_RELEASE].freeze
    FOR_ANSIBLE = %w[LAB_INVENTORY LAB_SUBNET LAB_SLOW LAB_VM_DRIVER].freeze

    # file: the record. exists: whether the lab has machines.
    def initialize(file:, exists:, environment: ENV)
      @file, @environment = file, environment
      @record = exists && File.exist?(file) ? read : {}
      @warned = []
    end

    # nil if the variable is not set and has no default.
    def [](name)
      given = present(@environment[name])
      return given || DEFAULTS[name] unless @record.any? && RECORDED.include?(name)

      recorded = present(@record[name]) || DEFAULTS[name]
      warn_once(name, given, recorded) if given && given != recorded
      recorded
    end

    # The environment of providers/vagrant/provision; nil if a variable is not set.
    def for_ansible
      FOR_ANSIBLE.to_h { |name| [name, self[name]] }
    end

    # Records the settings of a new lab. subnet: the inventory's, for when LAB_SUBNET is not set.
    def record(subnet:)
      FileUtils.mkdir_p(File.dirname(@file), mode: 0o700)
      File.binwrite(@file, text("LAB_SUBNET" => self["LAB_SUBNET"] || subnet))
    end

    # What the record says. instead: name => value, where it is not ours.
    def text(instead)
      RECORDED.map { |name| "#{name}=#{instead.fetch(name) { self[name] }}\n" }.join
    end

    private

    def read
      File.readlines(@file, chomp: true).to_h { |line| line.partition("=").values_at(0, 2) }
    end

    def present(value)
      value unless value.to_s.empty?
    end

    def warn_once(name, given, recorded)
      return if @warned.include?(name)

      @warned << name
      lab = "the lab was made with #{name}=#{recorded}"
      $stderr.puts("#{name}=#{given} is ignored: #{lab}. To change it, first: vagrant destroy")
    end
  end
end
